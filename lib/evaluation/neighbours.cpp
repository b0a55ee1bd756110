// SPDX-License-Identifier: Apache-2.0
#include "evaluation/neighbours.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "evaluation/rounding.h"

namespace onestep {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kStripEntries = int64_t{1} << 23;

/// Σ (xᵢ − yᵢ)² in float64, in an order that depends on nothing but d. Eight sums, so that it vectorises.
template <class X, class Y>
double squared_distance(const void* x_row, const void* y_row, int64_t d) {
  const X* x = static_cast<const X*>(x_row);
  const Y* y = static_cast<const Y*>(y_row);
  std::array<double, 8> sums{};
  int64_t i = 0;
  for (; i + 8 <= d; i += 8)
    for (int64_t lane = 0; lane < 8; ++lane) {
      const double gap = static_cast<double>(x[i + lane]) - static_cast<double>(y[i + lane]);
      sums[static_cast<size_t>(lane)] += gap * gap;
    }
  for (; i < d; ++i) {
    const double gap = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sums[0] += gap * gap;
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

using SquaredDistance = double (*)(const void*, const void*, int64_t);

SquaredDistance squared_distance_of(const at::Tensor& x, const at::Tensor& y) {
  constexpr SquaredDistance kTable[2][2] = {
      {squared_distance<float, float>, squared_distance<float, double>},
      {squared_distance<double, float>, squared_distance<double, double>}};
  return kTable[x.scalar_type() == at::kDouble][y.scalar_type() == at::kDouble];
}

at::Tensor checked(const at::Tensor& points) {
  TORCH_CHECK(points.dim() == 2 && points.size(0) > 0 && points.size(1) > 0,
              "neighbours: features must be [N, d], got ", points.sizes());
  TORCH_CHECK((points.scalar_type() == at::kFloat || points.scalar_type() == at::kDouble) && points.is_cpu(),
              "neighbours: features must be float32 or float64 on the CPU, got ", points.toString());
  return points.contiguous();
}

/// A row of distances: squared ones to every point, known up to rounding until asked for exactly.
struct Row {
  const double* about;
  const double* norms;  ///< of the points
  double norm, relative;
  const char *self, *points;
  int64_t n, d, stride;
  SquaredDistance distance;

  double slack(int64_t j) const { return relative * (norm + norms[j]); }
  double low(int64_t j) const { return about[j] - slack(j); }
  double high(int64_t j) const { return about[j] + slack(j); }
  double exact(int64_t j) const { return distance(self, points + j * stride, d); }
  bool at_most(int64_t j, double bound) const {
    return low(j) <= bound && (high(j) <= bound || exact(j) <= bound);
  }
  bool below(int64_t j, double bound) const {
    return low(j) < bound && (high(j) < bound || exact(j) < bound);
  }
};

/// Calls visit(i, row) for every row i of `queries`, several at once, each once.
template <class Visit>
void for_each_row(const at::Tensor& queries, const at::Tensor& points, int64_t tile, const Watch& watch,
                  const Visit& visit) {
  TORCH_CHECK(queries.size(1) == points.size(1), "neighbours: widths differ, ", queries.size(1), " and ",
              points.size(1));
  TORCH_CHECK(tile > 0, "neighbours: tile must be positive, got ", tile);
  const int64_t n = queries.size(0), m = points.size(0), d = points.size(1);
  // Any centre near the data spares the norms their cancellation.
  const at::Tensor centre = points.narrow(0, 0, std::min(m, kNeighbourTile)).to(at::kDouble).mean(0);
  const auto centred = [&](const at::Tensor& set, int64_t begin, int64_t end) {
    return set.slice(0, begin, end).to(at::kDouble) - centre;
  };
  const auto squared_norms = [](const at::Tensor& rows) { return rows.square().sum(1); };
  const auto for_each_tile = [&](const auto& use) {
    for (int64_t begin = 0; begin < m; begin += tile) {
      const int64_t end = std::min(m, begin + tile);
      use(begin, end, centred(points, begin, end));
    }
  };
  at::Tensor norms = at::empty({m}, at::kDouble);
  for_each_tile([&](int64_t begin, int64_t end, const at::Tensor& y) {
    norms.slice(0, begin, end).copy_(squared_norms(y));
  });
  const int64_t rows = std::min({n, tile, std::max<int64_t>(1, kStripEntries / m)});
  at::Tensor strip = at::empty({rows, m}, at::kDouble);
  for (int64_t first = 0; first < n; first += rows) {
    const at::Tensor x = centred(queries, first, std::min(n, first + rows));
    const at::Tensor x_norms = squared_norms(x);
    TORCH_CHECK(std::isfinite((x_norms.max() + norms.max()).item<double>()),
                "neighbours: features are not finite, or too large to be squared");
    for_each_tile([&](int64_t begin, int64_t end, const at::Tensor& y) {
      at::Tensor block = strip.slice(0, 0, x.size(0)).slice(1, begin, end);
      at::add_out(block, x_norms.unsqueeze(1), norms.slice(0, begin, end).unsqueeze(0));
      block.addmm_(x, y.t(), 1.0, -2.0);
      if (watch) watch(first + x.size(0) * begin / m, n);
    });
    // Norms and products err by d ulps of ‖x‖² + ‖y‖², centring and the sum by a few more.
    const double relative = std::numeric_limits<double>::epsilon() * static_cast<double>(d + 8);
    const auto* about = strip.const_data_ptr<double>();
    const auto *x_norm = x_norms.const_data_ptr<double>(), *y_norm = norms.const_data_ptr<double>();
    const auto* self = static_cast<const char*>(queries.const_data_ptr());
    const auto* other = static_cast<const char*>(points.const_data_ptr());
    const int64_t self_stride = d * queries.element_size(), stride = d * points.element_size();
    const SquaredDistance distance = squared_distance_of(queries, points);
    at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        visit(first + r, Row{about + r * m, y_norm, x_norm[r], relative, self + (first + r) * self_stride,
                             other, m, d, stride, distance});
    });
  }
  if (watch) watch(n, n);
}

/// The k smallest numbers seen, the largest of them in front.
struct Smallest {
  std::vector<double> heap;
  explicit Smallest(int64_t k) : heap(static_cast<size_t>(k), kInfinity) {}
  double largest() const { return heap.front(); }
  void see(double value) {
    if (!(value < largest())) return;
    std::pop_heap(heap.begin(), heap.end());
    heap.back() = value;
    std::push_heap(heap.begin(), heap.end());
  }
};

/// Squared distances to the k nearest points but `self`, ascending, to `result`.
void nearest_others(const Row& row, int64_t self, int64_t k, double* result) {
  Smallest reach(k), nearest(k);
  for (int64_t j = 0; j < row.n; ++j)
    if (j != self) reach.see(row.high(j));
  for (int64_t j = 0; j < row.n && nearest.largest() > 0.0; ++j)  // nothing is nearer than k copies
    if (j != self && row.low(j) <= reach.largest()) nearest.see(row.exact(j));
  std::sort_heap(nearest.heap.begin(), nearest.heap.end());
  std::copy(nearest.heap.begin(), nearest.heap.end(), result);
}

std::pair<int64_t, double> nearest_of_all(const Row& row) {
  double reach = kInfinity, best = kInfinity;
  for (int64_t j = 0; j < row.n; ++j) reach = std::min(reach, row.high(j));
  int64_t index = 0;
  for (int64_t j = 0; j < row.n && best > 0.0; ++j) {
    if (row.low(j) > reach) continue;
    if (const double distance = row.exact(j); distance < best) std::tie(index, best) = std::pair(j, distance);
  }
  return {index, best};
}

void check_neighbours(int64_t k, int64_t n) {
  TORCH_CHECK(k >= 1 && k < n, "neighbours: ", k, " neighbours need k >= 1 and more than k rows, got ", n);
}

void check_radii(const at::Tensor& radii, int64_t m, int64_t k) {
  TORCH_CHECK(
      radii.dim() == 2 && radii.size(0) == m && radii.size(1) >= k && radii.scalar_type() == at::kDouble,
      "neighbours: radii of the reference must be [", m, ", at least ", k, "] float64, got ", radii.sizes());
}

std::vector<double> column(const at::Tensor& table, int64_t k) {
  const at::Tensor values = table.select(1, k - 1).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

/// Square roots of float64 numbers, correctly rounded as std::sqrt is and ATen's need not be: a tie of
/// squares stays a tie whichever way a root was taken.
at::Tensor roots(const at::Tensor& squares) {
  at::Tensor result = squares.clone(at::MemoryFormat::Contiguous);
  auto* values = result.mutable_data_ptr<double>();
  std::transform(values, values + result.numel(), values, [](double square) { return std::sqrt(square); });
  return result;
}

double mean_of(const at::Tensor& values) {
  return values.to(at::kDouble).mean().item<double>();
}

/// Standard error of the mean of N values, √(Σ (v − mean)²/(N(N − 1))). No value for N = 1.
std::optional<double> error_of_mean(const at::Tensor& values) {
  const auto n = static_cast<double>(values.size(0));
  if (n < 2) return std::nullopt;
  const double error = std::sqrt(values.to(at::kDouble).var(/*unbiased=*/true).item<double>() / n);
  return beyond_rounding(error, rounding_of(std::abs(mean_of(values)), 0));  // equal values have none
}

Estimate share(const at::Tensor& flags) {
  const double p = mean_of(flags);
  return {p, std::sqrt(p * (1.0 - p) / static_cast<double>(flags.size(0)))};
}

}  // namespace

at::Tensor squared_radii(const at::Tensor& points, int64_t k, int64_t tile, const Watch& watch) {
  const at::Tensor x = checked(points);
  check_neighbours(k, x.size(0));
  at::Tensor result = at::empty({x.size(0), k}, at::kDouble);
  auto* values = result.mutable_data_ptr<double>();
  for_each_row(x, x, tile, watch,
               [&](int64_t i, const Row& row) { nearest_others(row, i, k, values + i * k); });
  return result;
}

Neighbourhood neighbourhood(const at::Tensor& generated, const at::Tensor& reference, const BallSizes& k,
                            const at::Tensor& reference_radii, int64_t tile, const Watch& watch) {
  const at::Tensor x = checked(generated), y = checked(reference);
  const int64_t n = x.size(0), m = y.size(0);
  TORCH_CHECK(x.size(1) == y.size(1), "neighbours: widths differ, ", x.size(1), " and ", y.size(1));
  const int64_t widest = std::max(k.precision, k.density);
  check_neighbours(std::min(k.precision, k.density), m);
  check_neighbours(widest, m);
  check_neighbours(k.precision, n);
  // Steps are pairs: within the reference, within the samples, across.
  const int64_t first = reference_radii.defined() ? 0 : m * m, total = first + n * n + n * m;
  const at::Tensor radii = reference_radii.defined()
                               ? reference_radii
                               : squared_radii(y, widest, tile, part_of(watch, 0, first, total));
  check_radii(radii, m, widest);
  const std::vector<double> own = column(
                                squared_radii(x, k.precision, tile, part_of(watch, first, n * n, total)),
                                k.precision),
                            precise = column(radii, k.precision), dense = column(radii, k.density);

  Neighbourhood result{k,
                       at::zeros({n}, at::kBool),
                       at::zeros({n}, at::kLong),
                       at::zeros({n}, at::kLong),
                       at::zeros({m}, at::kBool),
                       at::zeros({m}, at::kLong)};
  auto* realistic = result.realistic.mutable_data_ptr<bool>();
  auto* balls = result.balls.mutable_data_ptr<int64_t>();
  // Rows of a strip are visited at once, so what belongs to a reference row is counted atomically. `inside`
  // sums the indices: that of the only generated row in a ball where the count is one.
  struct Tally {
    std::atomic<bool> recalled{false};
    std::atomic<int64_t> contained{0}, inside{0};
  };
  std::vector<Tally> tallies(static_cast<size_t>(m));
  for_each_row(x, y, tile, part_of(watch, first + n * n, n * m, total), [&](int64_t i, const Row& row) {
    const double radius = own[static_cast<size_t>(i)];
    for (int64_t j = 0; j < m; ++j) {
      const auto at = static_cast<size_t>(j);
      if (row.low(j) > std::max({radius, precise[at], dense[at]})) continue;  // nearly all pairs
      Tally& tally = tallies[at];
      realistic[i] = realistic[i] || row.at_most(j, precise[at]);
      if (!tally.recalled.load(std::memory_order_relaxed) && row.at_most(j, radius))
        tally.recalled.store(true, std::memory_order_relaxed);
      if (!row.below(j, dense[at])) continue;
      ++balls[i];
      tally.contained.fetch_add(1, std::memory_order_relaxed);
      tally.inside.fetch_add(i, std::memory_order_relaxed);
    }
  });
  auto* sole = result.sole.mutable_data_ptr<int64_t>();
  auto* recalled = result.recalled.mutable_data_ptr<bool>();
  auto* contained = result.contained.mutable_data_ptr<int64_t>();
  for (int64_t j = 0; j < m; ++j) {
    const Tally& tally = tallies[static_cast<size_t>(j)];
    recalled[j] = tally.recalled;
    contained[j] = tally.contained;
    if (contained[j] == 1) ++sole[tally.inside.load()];
  }
  return result;
}

Manifold manifold(const Neighbourhood& neighbourhood) {
  const auto k = static_cast<double>(neighbourhood.k.density);
  const auto n = static_cast<double>(neighbourhood.sole.size(0)),
             m = static_cast<double>(neighbourhood.contained.size(0));
  const at::Tensor density = neighbourhood.balls.to(at::kDouble) / k;
  // Without row i, coverage falls by sole_i/M: the jackknife is the error of a sum, (N − 1) times that of
  // the mean of these falls.
  std::optional<double> coverage_error = error_of_mean(neighbourhood.sole);
  if (coverage_error) *coverage_error *= (n - 1.0) / m;
  return {share(neighbourhood.realistic),
          share(neighbourhood.recalled),
          {mean_of(density), error_of_mean(density)},
          {mean_of(neighbourhood.contained > 0), coverage_error}};
}

double expected_coverage(int64_t generated, int64_t reference, int64_t k) {
  double missed = 1.0;
  for (int64_t i = 1; i <= k; ++i)
    missed *= static_cast<double>(reference - i) / static_cast<double>(reference + generated - i);
  return 1.0 - missed;
}

NearestReference nearest_reference(const at::Tensor& generated, const at::Tensor& reference,
                                   const at::Tensor& reference_radii, int64_t tile, const Watch& watch) {
  const at::Tensor x = checked(generated), y = checked(reference);
  check_neighbours(1, y.size(0));
  const int64_t n = x.size(0);
  NearestReference result{at::empty({n}, at::kLong), at::empty({n}, at::kDouble), at::Tensor()};
  auto* index = result.index.mutable_data_ptr<int64_t>();
  auto* distance = result.distance.mutable_data_ptr<double>();
  const bool known = reference_radii.defined();
  if (known) check_radii(reference_radii, y.size(0), 1);
  const int64_t pairs = n * y.size(0), total = known ? pairs : 2 * pairs;
  for_each_row(x, y, tile, part_of(watch, 0, pairs, total),
               [&](int64_t i, const Row& row) { std::tie(index[i], distance[i]) = nearest_of_all(row); });
  result.distance = roots(result.distance);
  if (known) {
    result.gap = roots(reference_radii.select(1, 0).index_select(0, result.index));
    return result;
  }
  // Only rows that are someone's nearest need their own neighbour: never more than N of them.
  const auto [found, place, counts] = at::_unique2(result.index, /*sorted=*/true, /*return_inverse=*/true);
  at::Tensor gaps = at::empty({found.size(0)}, at::kDouble);
  auto* gap = gaps.mutable_data_ptr<double>();
  const auto* self = found.const_data_ptr<int64_t>();
  for_each_row(y.index_select(0, found), y, tile, part_of(watch, pairs, pairs, total),
               [&](int64_t i, const Row& row) { nearest_others(row, self[i], 1, gap + i); });
  result.gap = roots(gaps).index_select(0, place);
  return result;
}

Estimate authentic_share(const NearestReference& nearest) {
  return share(nearest.distance > nearest.gap);
}

}  // namespace onestep
