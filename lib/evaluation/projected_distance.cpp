// SPDX-License-Identifier: Apache-2.0
#include "evaluation/projected_distance.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>

#include "evaluation/rounding.h"
#include "kernels/philox.h"
#include "noise/purpose.h"

namespace onestep {
namespace {

constexpr int64_t kRows = 4096;
constexpr int64_t kValues = int64_t{1} << 22;

/// Unit vectors [count, d], numbers first … first + count − 1 of the seed.
at::Tensor directions(uint64_t seed, int64_t first, int64_t count, int64_t d) {
  const at::Tensor z = kernels::philox_normal(seed, word(Purpose::projection),
                                              at::arange(first, first + count), {d}, at::kCPU, at::kDouble);
  return z / z.norm(2, {1}, /*keepdim=*/true);
}

/// Values along each direction in rising order, [count, N].
at::Tensor sorted_projections(const at::Tensor& directions, const at::Tensor& features, const Watch& watch) {
  at::Tensor values = at::empty({directions.size(0), features.size(0)}, at::kDouble);
  for (int64_t row = 0; row < features.size(0); row += kRows) {
    if (watch) watch(row, features.size(0));
    const int64_t count = std::min(kRows, features.size(0) - row);
    values.narrow(1, row, count).copy_(directions.matmul(features.narrow(0, row, count).to(at::kDouble).t()));
  }
  return std::get<0>(at::sort(values, 1));
}

/// The pieces on which the quantile functions of n and of m values are both constant: which values they are
/// there, and how long the piece is. Lengths are counted in units of 1/(nm), in integers.
struct Pieces {
  at::Tensor a, b;    // [pieces] int64
  at::Tensor length;  // [pieces] float64, sums to 1
};

Pieces common_pieces(int64_t n, int64_t m) {
  std::vector<int64_t> a, b;
  std::vector<double> length;
  for (int64_t i = 0, j = 0, at = 0; i < n && j < m;) {
    const int64_t end_a = (i + 1) * m, end_b = (j + 1) * n, end = std::min(end_a, end_b);
    a.push_back(i);
    b.push_back(j);
    length.push_back(static_cast<double>(end - at) / (static_cast<double>(n) * static_cast<double>(m)));
    i += end == end_a;
    j += end == end_b;
    at = end;
  }
  const auto tensor = [](const auto& values, at::ScalarType type) {
    at::Tensor result = at::empty({static_cast<int64_t>(values.size())}, type);
    using Value = typename std::decay_t<decltype(values)>::value_type;
    std::copy(values.begin(), values.end(), result.mutable_data_ptr<Value>());
    return result;
  };
  return {tensor(a, at::kLong), tensor(b, at::kLong), tensor(length, at::kDouble)};
}

}  // namespace

Estimate projected_distance(const at::Tensor& generated, const at::Tensor& reference, uint64_t seed,
                            int64_t projections, const Watch& watch) {
  for (const at::Tensor& x : {generated, reference})
    TORCH_CHECK(x.dim() == 2 && x.size(0) >= 1 && x.size(1) >= 1 && at::isFloatingType(x.scalar_type()),
                "projected_distance: features must be floating [N, d], got ", x.scalar_type(), " ",
                x.sizes());
  const int64_t n = generated.size(0), m = reference.size(0), d = generated.size(1);
  TORCH_CHECK(d == reference.size(1), "projected_distance: widths differ, ", d, " and ", reference.size(1));
  TORCH_CHECK(projections >= 1, "projected_distance: ", projections, " projections asked for");

  const Pieces pieces = n == m ? Pieces{} : common_pieces(n, m);
  const int64_t group = std::clamp<int64_t>(kValues / (n + m), 1, projections);
  std::vector<at::Tensor> parts;
  double largest = 0;                           // of all projections
  const int64_t total = projections * (n + m);  // values
  for (int64_t first = 0; first < projections; first += group) {
    const int64_t count = std::min(group, projections - first), done = first * (n + m);
    const at::Tensor theta = directions(seed, first, count, d);
    const at::Tensor g = sorted_projections(theta, generated, part_of(watch, done, count * n, total)),
                     r = sorted_projections(theta, reference,
                                            part_of(watch, done + count * n, count * m, total));
    largest = std::max({largest, g.abs().max().item<double>(), r.abs().max().item<double>()});
    parts.push_back(
        n == m ? (g - r).square().mean(1)
               : (g.index_select(1, pieces.a) - r.index_select(1, pieces.b)).square().matmul(pieces.length));
  }
  if (watch) watch(total, total);
  const at::Tensor values = at::cat(parts) * (3.0 * static_cast<double>(d));
  const double mean = values.mean().item<double>();
  // A value is a mean of squares of differences of projections: within the square of their rounding it is 0.
  const double square = 3.0 * static_cast<double>(d) * std::pow(rounding_of(largest, d), 2);
  Estimate result{beyond_rounding(mean, square), std::nullopt};
  if (projections > 1)
    result.se = beyond_rounding(
        values.std(/*unbiased=*/true).item<double>() / std::sqrt(static_cast<double>(projections)),
        square + rounding_of(mean, 0));
  return result;
}

}  // namespace onestep
