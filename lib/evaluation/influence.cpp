// SPDX-License-Identifier: Apache-2.0
#include "evaluation/influence.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "evaluation/rounding.h"
#include "evaluation/transport.h"

namespace onestep {

at::Tensor influence(const at::Tensor& features, const Gaussian& generated, const Gaussian& reference) {
  TORCH_CHECK(features.dim() == 2 && features.size(1) == generated.mean.size(0),
              "influence: features must be [N, ", generated.mean.size(0), "], got ", features.sizes());
  at::Tensor w = transport_root(generated, reference);
  at::Tensor gap = generated.mean - reference.mean;
  const FrechetRounding rounding = frechet_rounding(generated, reference);
  const double relative = rounding_of(1.0, features.size(1));
  constexpr int64_t kRows = 4096;
  std::vector<at::Tensor> parts, bounds;
  for (int64_t row = 0; row < features.size(0); row += kRows) {
    at::Tensor z =
        features.narrow(0, row, std::min(kRows, features.size(0) - row)).to(at::kDouble) - generated.mean;
    const at::Tensor lengths = z.square().sum(1), moved = z.matmul(w).square().sum(1);
    parts.push_back(2.0 * z.matmul(gap) + lengths - moved);
    bounds.push_back(rounding.covariance_term + relative * (lengths + moved) +
                     2.0 * rounding.gap * lengths.sqrt());
  }
  at::Tensor values = at::cat(parts), bound = at::cat(bounds);
  values = values - values.mean();
  return values.masked_fill(values.abs() <= bound + bound.mean(), 0.0);
}

std::optional<double> influence_standard_error(const at::Tensor& influence_values, int64_t width) {
  const int64_t n = influence_values.size(0);
  if (n <= width) return std::nullopt;
  return influence_values.std(/*unbiased=*/true).item<double>() / std::sqrt(static_cast<double>(n));
}

}  // namespace onestep
