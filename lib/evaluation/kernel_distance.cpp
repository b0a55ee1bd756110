// SPDX-License-Identifier: Apache-2.0
#include "evaluation/kernel_distance.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/zeros.h>

#include "evaluation/rounding.h"
#include "evaluation/subset_rows.h"

namespace onestep {
namespace {

constexpr int64_t kTile = 512;
constexpr int64_t kBlocks = 20;

/// A set whose rows are dealt into B blocks: block of a row as a one-hot vector.
struct Blocked {
  at::Tensor features;  // [n, d]
  at::Tensor block;     // [n, B] float64

  int64_t size() const { return features.size(0); }
  int64_t tiles() const { return (size() + kTile - 1) / kTile; }
  Blocked tile(int64_t begin) const {
    const int64_t rows = std::min(kTile, size() - begin);
    return {features.narrow(0, begin, rows).to(at::kDouble), block.narrow(0, begin, rows)};
  }
};

/// Counts tiles for a watch.
struct Steps {
  const Watch& watch;
  int64_t total, done = 0;
  void step() {
    if (watch) watch(++done, total);
  }
};

/// k summed over the pairs of rows of two tiles, by their blocks: Zᵀ K Z′ [B, B].
at::Tensor tile_sums(const Blocked& x, const Blocked& y, bool without_diagonal) {
  const double width = static_cast<double>(x.features.size(1));
  const at::Tensor base = x.features.matmul(y.features.t()).div_(width).add_(1.0);
  const at::Tensor kernel = base.square().mul_(base);
  // Zeroed, not subtracted afterwards: an outlier's k(x, x) would swamp the sum.
  if (without_diagonal) kernel.diagonal().zero_();
  return x.block.t().matmul(kernel).matmul(y.block);
}

/// Over all pairs of rows of two disjoint sets.
at::Tensor cross_sums(const Blocked& x, const Blocked& y, Steps& steps) {
  at::Tensor sums = at::zeros({x.block.size(1), y.block.size(1)}, at::kDouble);
  for (int64_t i = 0; i < x.size(); i += kTile) {
    const Blocked left = x.tile(i);
    for (int64_t j = 0; j < y.size(); j += kTile) {
      sums += tile_sums(left, y.tile(j), false);
      steps.step();
    }
  }
  return sums;
}

/// Over all pairs of different rows of one set.
at::Tensor within_sums(const Blocked& x, Steps& steps) {
  at::Tensor sums = at::zeros({x.block.size(1), x.block.size(1)}, at::kDouble);
  for (int64_t i = 0; i < x.size(); i += kTile) {
    const Blocked left = x.tile(i);
    sums += tile_sums(left, left, true);
    steps.step();
    for (int64_t j = i + kTile; j < x.size(); j += kTile) {
      const at::Tensor above = tile_sums(left, x.tile(j), false);
      sums += above + above.t();
      steps.step();
    }
  }
  return sums;
}

/// The unbiased MMD² from sums over pairs and from sizes, numbers or tensors of as many statistics; 0 where
/// it is within the rounding of its terms, each of `count` products and sums.
at::Tensor unbiased(const at::Tensor& generated, const at::Tensor& reference, const at::Tensor& cross,
                    const at::Tensor& n, const at::Tensor& m, int64_t count) {
  const at::Tensor a = generated / (n * (n - 1.0)), b = reference / (m * (m - 1.0)),
                   c = cross * 2.0 / (n * m);
  const at::Tensor value = a + b - c, size = a.abs() + b.abs() + c.abs();
  return value.masked_fill(value.abs() <= size * rounding_of(1.0, count), 0.0);
}

/// Sums for a pair of sets, and what is left of them when block b goes from both, for every b.
struct Sums {
  at::Tensor generated, reference, cross;  // [B, B]
  at::Tensor n, m;                         // [B], rows a block
  int64_t count;                           // products and sums behind one of them

  Sums(const Blocked& g, const Blocked& r, const Watch& watch)
      : n(g.block.sum(0)), m(r.block.sum(0)), count(g.features.size(1) + g.tiles() + r.tiles()) {
    const int64_t a = g.tiles(), b = r.tiles();
    Steps steps{watch, a * (a + 1) / 2 + b * (b + 1) / 2 + a * b};
    generated = within_sums(g, steps);
    reference = within_sums(r, steps);
    cross = cross_sums(g, r, steps);
  }

  double whole() const {
    return unbiased(generated.sum(), reference.sum(), cross.sum(), n.sum(), m.sum(), count).item<double>();
  }
  at::Tensor without_block() const {  // [B]
    const auto left = [](const at::Tensor& s) { return s.sum() - s.sum(0) - s.sum(1) + s.diagonal(); };
    return unbiased(left(generated), left(reference), left(cross), n.sum() - n, m.sum() - m, count);
  }
  /// Of the terms: what rounding alone may make of a value.
  double rounding() const {
    const at::Tensor size = generated.abs().sum() / (n.sum() * (n.sum() - 1.0)) +
                            reference.abs().sum() / (m.sum() * (m.sum() - 1.0)) +
                            2.0 * cross.abs().sum() / (n.sum() * m.sum());
    return rounding_of(size.item<double>(), count);
  }
};

/// One block of everything.
Blocked undivided(const at::Tensor& features) {
  return {features, at::ones({features.size(0), 1}, at::kDouble)};
}

/// Random blocks, the same in every run, whose sizes differ by one at most.
Blocked divided(const at::Tensor& features, uint64_t which) {
  const int64_t n = features.size(0);
  const at::Tensor place = subset_rows(n, 1, n, /*seed=*/0, which)[0];
  return {features, at::one_hot(at::remainder(place, kBlocks), kBlocks).to(at::kDouble)};
}

void check_features(const at::Tensor& generated, const at::Tensor& reference) {
  for (const at::Tensor& x : {generated, reference})
    TORCH_CHECK(x.dim() == 2 && x.size(0) >= 2 && x.size(1) >= 1 && at::isFloatingType(x.scalar_type()),
                "kernel_distance: features must be floating [N, d] with N >= 2, got ", x.scalar_type(), " ",
                x.sizes());
  TORCH_CHECK(generated.size(1) == reference.size(1), "kernel_distance: widths differ, ", generated.size(1),
              " and ", reference.size(1));
}

}  // namespace

Estimate kernel_distance(const at::Tensor& generated, const at::Tensor& reference, const Watch& watch) {
  check_features(generated, reference);
  if (std::min(generated.size(0), reference.size(0)) < 2 * kBlocks)
    return {Sums(undivided(generated), undivided(reference), watch).whole(), std::nullopt};
  const Sums sums(divided(generated, 2), divided(reference, 3), watch);
  // The jackknife: (B − 1)/B Σ (θ₋ᵦ − mean)² (Tukey 1958).
  const double variance = sums.without_block().var(/*unbiased=*/false).item<double>() * (kBlocks - 1);
  return {sums.whole(), beyond_rounding(std::sqrt(variance), std::sqrt(kBlocks - 1.0) * sums.rounding())};
}

at::Tensor kernel_distance_of_subsets(const at::Tensor& generated, const at::Tensor& reference,
                                      const at::Tensor& generated_rows, const at::Tensor& reference_rows,
                                      const Watch& watch) {
  check_features(generated, reference);
  const auto check_rows = [](const at::Tensor& rows, int64_t n) {
    TORCH_CHECK(rows.dim() == 2 && rows.scalar_type() == at::kLong && rows.size(1) >= 2,
                "kernel_distance: subsets must be int64 [S, m] with m >= 2, got ", rows.scalar_type(), " ",
                rows.sizes());
    TORCH_CHECK(rows.numel() == 0 || (rows.min().item<int64_t>() >= 0 && rows.max().item<int64_t>() < n),
                "kernel_distance: a subset points outside of ", n, " rows");
  };
  check_rows(generated_rows, generated.size(0));
  check_rows(reference_rows, reference.size(0));
  const int64_t subsets = generated_rows.size(0);
  TORCH_CHECK(subsets == reference_rows.size(0), "kernel_distance: ", subsets, " subsets against ",
              reference_rows.size(0));
  at::Tensor values = at::empty({subsets}, at::kDouble);
  for (int64_t s = 0; s < subsets; ++s)
    values[s] = Sums(undivided(generated.index_select(0, generated_rows[s])),
                     undivided(reference.index_select(0, reference_rows[s])), part_of(watch, s, 1, subsets))
                    .whole();
  return values;
}

}  // namespace onestep
