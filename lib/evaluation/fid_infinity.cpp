// SPDX-License-Identifier: Apache-2.0
#include "evaluation/fid_infinity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <c10/util/Exception.h>

#include "evaluation/rounding.h"
#include "evaluation/subset_rows.h"

namespace onestep {

Line fit_line(const std::vector<double>& x, const std::vector<double>& y) {
  TORCH_CHECK(x.size() == y.size() && x.size() >= 2, "fit_line: ", x.size(), " abscissas and ", y.size(),
              " ordinates");
  const double n = static_cast<double>(x.size());
  const double x_mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double y_mean = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, xy = 0, residual = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - x_mean) * (x[i] - x_mean);
    xy += (x[i] - x_mean) * (y[i] - y_mean);
  }
  TORCH_CHECK(xx > 0, "fit_line: all abscissas are equal");
  const double slope = xy / xx;
  for (size_t i = 0; i < x.size(); ++i) residual += std::pow(y[i] - y_mean - slope * (x[i] - x_mean), 2);
  Line line{{y_mean - slope * x_mean, std::nullopt}, slope};
  if (x.size() > 2) line.intercept.se = std::sqrt(residual / (n - 2.0) * (1.0 / n + x_mean * x_mean / xx));
  return line;
}

FidInfinity fid_infinity(const at::Tensor& generated, const Gaussian& reference, uint64_t seed,
                         const Watch& watch) {
  TORCH_CHECK(generated.dim() == 2, "fid_infinity: features must be [N, d], got ", generated.sizes());
  const int64_t n = generated.size(0), d = generated.size(1), needed = std::max<int64_t>(40, 4 * d);
  TORCH_CHECK(n >= needed, "fid_infinity: ", d, " features need at least ", needed, " samples, got ", n);
  constexpr int64_t kPoints = 15;
  constexpr uint64_t kFirst = 16;  // subsets of this use: 16 … 30
  const int64_t smallest = std::max(n / 10, 2 * d);
  FidInfinity result;
  std::vector<double> inverse;
  double rounding = 0;  // of the FIDs; a line's numbers are sums of them with weights that sum to a few
  for (int64_t i = 0; i < kPoints; ++i) {
    if (watch) watch(i, kPoints);
    const int64_t size = smallest + (n - smallest) * i / (kPoints - 1);
    // The last is the whole set as it stands: FID to the last bit.
    const at::Tensor part =
        size == n
            ? generated
            : generated.index_select(0, subset_rows(n, 1, size, seed, kFirst + static_cast<uint64_t>(i))[0]);
    result.sizes.push_back(size);
    const Frechet fid = frechet_distance(fit_gaussian(part), reference);
    result.fids.push_back(fid.value);
    rounding = std::max(rounding, fid.rounding);
    inverse.push_back(1.0 / static_cast<double>(size));
  }
  if (watch) watch(kPoints, kPoints);
  const Line line = fit_line(inverse, result.fids);
  constexpr double kWeights = 8;
  result.intercept = {beyond_rounding(line.intercept.value, kWeights * rounding),
                      beyond_rounding(*line.intercept.se, kWeights * rounding)};
  result.slope = beyond_rounding(line.slope, kWeights * rounding / (inverse.front() - inverse.back()));
  return result;
}

}  // namespace onestep
