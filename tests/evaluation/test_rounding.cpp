// SPDX-License-Identifier: Apache-2.0
// Below the rounding of its own terms a distance is 0, and so is its error; above, it is what it is.
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/directions.h"
#include "evaluation/evaluate.h"
#include "evaluation/fid_infinity.h"
#include "evaluation/inception_score.h"
#include "evaluation/influence.h"
#include "evaluation/kernel_distance.h"
#include "evaluation/neighbours.h"
#include "evaluation/projected_distance.h"
#include "evaluation/random_features.h"
#include "evaluation/rounding.h"
#include "evaluation/score.h"
#include "evaluation/verdict.h"

namespace onestep {
namespace {

/// Samples with a far mean and unequal, correlated spreads.
at::Tensor spread_features(uint64_t seed, int64_t n, int64_t d) {
  const at::Tensor scales = at::arange(1, d + 1).to(at::kDouble).reciprocal();
  return normal_features(seed, n, d).matmul(normal_features(9, d, d)) * scales * 30.0 + 7.0;
}

TEST_CASE("a set against itself, in any order, is at distance 0 with error 0") {
  for (const auto& [n, d] : std::vector<std::pair<int64_t, int64_t>>{
           {500, 1}, {500, 16}, {5, 300}, {64, 64}, {65, 64}, {5000, 40}, {300, 200}}) {
    CAPTURE(n, d);
    const at::Tensor x = spread_features(1, n, d);
    FeatureSet set{.features = x}, turned{.features = x.flip(0).contiguous()};
    const Gaussian law = fit(set), other = fit(turned);
    for (const FidScore& same : {score(set, law, set, law), score(turned, other, set, law)}) {
      CHECK(same.fid.value == 0.0);
      CHECK(same.fid.mean_term == 0.0);
      CHECK(same.fid.covariance_term == 0.0);
      if (n > d) CHECK(*same.se == 0.0);
    }
    for (const Direction& direction : fid_directions(other, law, d)) CHECK(direction.fid == 0.0);
  }
}

TEST_CASE("one law held by different roots is at distance 0 from itself") {
  const at::Tensor x = spread_features(1, 400, 24);
  const Moments moments = moments_of(x);
  const Gaussian fitted = fit_gaussian(x), from_file = fit_gaussian({moments.mean, covariance(moments)}, 0);
  at::Tensor wide = at::zeros({400, 40}, at::kDouble);  // singular: the eigenvectors' root
  wide.narrow(1, 0, 24).copy_(x);
  const Gaussian a = fit_gaussian(wide), b = fit_gaussian(wide.flip(0));
  CHECK(a.method == "eigen");
  CHECK(frechet_distance(fitted, from_file).value == 0.0);
  CHECK(frechet_distance(a, b).value == 0.0);
}

TEST_CASE("a difference above rounding stays") {
  const at::Tensor x = normal_features(1, 500, 16);
  for (const double shift : {1e-2, 1e-4, 1e-6}) {
    CAPTURE(shift);
    const Frechet moved = frechet_distance(fit_gaussian(x + shift), fit_gaussian(x));
    CHECK(moved.value == Approx(16 * shift * shift).epsilon(1e-4));
    CHECK(moved.rounding > 0.0);
    CHECK(moved.rounding < 1e-12);
  }
  const Frechet wider = frechet_distance(fit_gaussian(x * (1 + 1e-5)), fit_gaussian(x));
  CHECK(wider.value == Approx(16e-10).epsilon(0.2));
}

TEST_CASE("no gap is no difference, whatever the errors") {
  CHECK(judge({0.0, 0.0}, {0.0, 0.0}).outcome == Outcome::inconclusive);
  CHECK(judge({0.0, {}}, {0.0, {}}).outcome == Outcome::inconclusive);
  CHECK(judge({3.0, 0.0}, {3.0, 0.0}, 0.0).outcome == Outcome::inconclusive);
  CHECK(judge({3.0, 0.0}, {2.0, 0.0}, 0.0).outcome == Outcome::worse);
}

TEST_CASE("kernel distances of equal constant sets are 0 with error 0") {
  for (const double value : {0.0, 0.1, 7.3}) {
    CAPTURE(value);
    const at::Tensor a = at::full({90, 5}, value, at::kDouble), b = at::full({70, 5}, value, at::kDouble);
    const Estimate kid = kernel_distance(a, b);
    CHECK(kid.value == 0.0);
    CHECK(*kid.se == 0.0);
  }
  // Two constant sets that differ: a number without an error.
  const Estimate apart =
      kernel_distance(at::full({90, 5}, 0.1, at::kDouble), at::full({70, 5}, 0.7, at::kDouble));
  CHECK(apart.value > 0.01);
  CHECK(*apart.se == 0.0);
  // Unbiased: below 0 for a set against itself, and far from rounding.
  const at::Tensor x = normal_features(1, 90, 5);
  CHECK(kernel_distance(x, x).value < -1e-3);
}

TEST_CASE("projected distances of a set and its permutation are 0 with error 0") {
  const at::Tensor x = spread_features(1, 500, 16);
  const Estimate same = projected_distance(x, x.flip(0).contiguous(), 0, 50);
  CHECK(same.value == 0.0);
  CHECK(*same.se == 0.0);
  CHECK(projected_distance(x, x + 1e-6, 0, 50).value == Approx(3 * 16 * 1e-12 / 1).epsilon(0.8));
}

TEST_CASE("FID at infinitely many samples has no error where FID does not change with N") {
  const at::Tensor still = at::full({200, 4}, 0.3, at::kDouble), real = normal_features(2, 300, 4);
  const FidInfinity limit = fid_infinity(still, fit_gaussian(real), 0);
  CHECK(limit.intercept.value == Approx(limit.fids.back()).epsilon(1e-12));
  CHECK(*limit.intercept.se == 0.0);
  CHECK(limit.slope == 0.0);
  CHECK(fid_infinity(still, fit_gaussian(still), 0).intercept.value == 0.0);
}

TEST_CASE("other numbers of equal samples have no error, too") {
  const InceptionScore even = inception_score(at::full({100, 3}, 0.37, at::kFloat), 10, {});
  CHECK(even.score.value == 1.0);
  CHECK(even.sd == 0.0);
  CHECK(*even.score.se == 0.0);
  // Every sample in the same number of balls: a density of thirds and fifths.
  const at::Tensor x = at::arange(40).to(at::kDouble).unsqueeze(1);
  const Manifold shape = manifold(neighbourhood(at::full({60, 1}, 19.5, at::kDouble), x, {}, {}));
  CHECK(shape.density.value > 0.0);
  CHECK(*shape.density.se == 0.0);
  // Sets of seeds with one FID.
  const SeedSetSummary summary = summary_of({{0, 0.1, {}}, {9, 0.1, {}}, {18, 0.1, {}}});
  CHECK(summary.sd == 0.0);
}

}  // namespace
}  // namespace onestep
