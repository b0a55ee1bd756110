// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/neighbours.h"
#include "evaluation/random_features.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

/// Every squared distance, without a product that cancels: [N, M].
at::Tensor all_distances(const at::Tensor& x, const at::Tensor& y) {
  return (x.to(at::kDouble).unsqueeze(1) - y.to(at::kDouble).unsqueeze(0)).square().sum(2);
}

at::Tensor without_self(at::Tensor distances) {
  distances.fill_diagonal_(std::numeric_limits<double>::infinity());
  return distances;
}

Manifold manifold_metrics(const at::Tensor& generated, const at::Tensor& reference, const BallSizes& k = {}) {
  return manifold(neighbourhood(generated, reference, k));
}

Estimate authentic(const at::Tensor& generated, const at::Tensor& reference) {
  return authentic_share(nearest_reference(generated, reference));
}

/// The definitions as they stand in the papers.
struct Brute {
  at::Tensor between, generated_radii, reference_radii;
  Brute(const at::Tensor& x, const at::Tensor& y)
      : between(all_distances(x, y)),
        generated_radii(std::get<0>(without_self(all_distances(x, x)).sort(1))),
        reference_radii(std::get<0>(without_self(all_distances(y, y)).sort(1))) {}
};

void same(const Neighbourhood& a, const Neighbourhood& b) {
  CHECK(at::equal(a.realistic, b.realistic));
  CHECK(at::equal(a.balls, b.balls));
  CHECK(at::equal(a.sole, b.sole));
  CHECK(at::equal(a.recalled, b.recalled));
  CHECK(at::equal(a.contained, b.contained));
}

/// Nothing but the definitions, on whole matrices.
void agrees_with_brute_force(const at::Tensor& x, const at::Tensor& y, const BallSizes& k) {
  const Brute brute(x, y);
  const Neighbourhood seen = neighbourhood(x, y, k);
  const auto radius = [](const at::Tensor& sorted, int64_t j) { return sorted.select(1, j - 1); };
  CHECK(at::equal(seen.realistic, (brute.between <= radius(brute.reference_radii, k.precision)).any(1)));
  CHECK(at::equal(seen.recalled,
                  (brute.between <= radius(brute.generated_radii, k.precision).unsqueeze(1)).any(0)));
  const at::Tensor inside = brute.between < radius(brute.reference_radii, k.density);
  CHECK(at::equal(seen.balls, inside.sum(1)));
  CHECK(at::equal(seen.contained, inside.sum(0)));
  CHECK(at::equal(seen.sole, inside.logical_and(inside.sum(0) == 1).sum(1)));
  const NearestReference nearest = nearest_reference(x, y);
  const auto [distance, index] = brute.between.min(1);
  CHECK(at::equal(nearest.index, index));
  // Within a unit or two of the last digit: ATen's root is not the nearest number on every CPU.
  const auto off = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs() / (b + 1e-12)).max().item<double>();
  };
  CHECK(off(nearest.distance, distance.sqrt()) < 1e-15);
  CHECK(off(nearest.gap, radius(brute.reference_radii, 1).index_select(0, index).sqrt()) < 1e-15);
}

TEST_CASE("radii are sorted distances to the other rows") {
  // On a line: 0, 1, 3, 7.
  const at::Tensor x = at::tensor({0.0, 1.0, 3.0, 7.0}, at::kDouble).unsqueeze(1);
  const at::Tensor expected =
      at::tensor({1.0, 9.0, 49.0, 1.0, 4.0, 36.0, 4.0, 9.0, 16.0, 16.0, 36.0, 49.0}, at::kDouble)
          .reshape({4, 3});
  CHECK(at::equal(squared_radii(x, 3), expected));
  CHECK(at::equal(squared_radii(x, 1), expected.narrow(1, 0, 1)));
  CHECK(at::equal(squared_radii(x.to(at::kFloat), 2), expected.narrow(1, 0, 2)));
}

TEST_CASE("neighbourhoods are those of the definitions") {
  agrees_with_brute_force(normal_features(1, 120, 3), normal_features(2, 90, 3) * 1.3 + 0.2, {});
  agrees_with_brute_force(normal_features(3, 40, 11), normal_features(4, 70, 11),
                          {.precision = 5, .density = 2});
  agrees_with_brute_force(normal_features(5, 40, 9).to(at::kFloat), normal_features(6, 50, 9), {});
  agrees_with_brute_force(normal_features(7, 40, 9), normal_features(8, 50, 9).to(at::kFloat), {});
  const at::Tensor strided = normal_features(9, 9, 60).t();
  agrees_with_brute_force(strided.narrow(0, 0, 30), strided.narrow(0, 20, 40), {});  // shares ten rows
}

TEST_CASE("ties are ties: whole numbers, where nearly every distance occurs again") {
  const auto lattice = [](uint64_t seed, int64_t n) { return (normal_features(seed, n, 3) * 1.5).round(); };
  agrees_with_brute_force(lattice(1, 150), lattice(2, 130), {});
  // Far from the origin and finely spaced a product of uncentred rows has no digit left: 1e8² against 1e-6².
  agrees_with_brute_force(lattice(3, 80) * 0x1p-20 + 1e8, lattice(4, 90) * 0x1p-20 + 1e8, {});
  // One outlier must not spoil the others.
  const at::Tensor outlier = at::full({1, 3}, 1e9, at::kDouble);
  agrees_with_brute_force(at::cat({lattice(5, 60), outlier}), at::cat({outlier * 2.0, lattice(6, 60)}), {});
}

TEST_CASE(
    "a sample as far from its neighbour as that from its own is no authentic one, whatever the distance") {
  // Reference rows p and p + v far from all other pairs, samples p − v: both distances are √(a² + b²).
  std::vector<at::Tensor> samples, reference;
  for (int64_t a = 1; a <= 20; ++a) {
    for (int64_t b = 1; b <= 20; ++b) {
      const at::Tensor p =
          at::tensor({1e4 * static_cast<double>(a), 1e4 * static_cast<double>(b)}, at::kDouble);
      const at::Tensor v = at::tensor({static_cast<double>(a), static_cast<double>(b)}, at::kDouble);
      samples.push_back(p - v);
      reference.insert(reference.end(), {p, p + v});
    }
  }
  const at::Tensor x = at::stack(samples), y = at::stack(reference);
  CHECK(authentic(x, y).value == 0.0);
  CHECK(authentic_share(nearest_reference(x, y, squared_radii(y, 1))).value == 0.0);
}

TEST_CASE("close pairs are told apart where a product has lost them") {
  // Neighbours 1e-9 apart in a set of size 1e3: squared, 24 digits below the norms.
  const at::Tensor x = at::cat({normal_features(1, 20, 4) * 1e3, normal_features(2, 30, 4) * 1e-9}),
                   y = at::cat({normal_features(3, 30, 4) * 1e-9, normal_features(4, 20, 4) * 1e3});
  agrees_with_brute_force(x, y, {});
  const at::Tensor radii = squared_radii(x, 3), expected = Brute(x, y).generated_radii.narrow(1, 0, 3);
  CHECK(((radii - expected).abs() / expected).max().item<double>() < 1e-14);
  CHECK(radii.min().item<double>() < 1e-17);
}

TEST_CASE("copies are at distance zero") {
  const at::Tensor x = (normal_features(1, 30, 17) + 1e3).to(at::kFloat);
  const at::Tensor thrice = at::cat({x, x, x});
  CHECK(squared_radii(thrice, 2).count_nonzero().item<int64_t>() == 0);
  CHECK(squared_radii(thrice, 3).select(1, 2).count_nonzero().item<int64_t>() == 90);
  const NearestReference nearest = nearest_reference(x, thrice);
  CHECK(at::equal(nearest.index, at::arange(30)));  // the lowest of three
  CHECK(nearest.distance.count_nonzero().item<int64_t>() == 0);
  CHECK(nearest.gap.count_nonzero().item<int64_t>() == 0);
  CHECK(authentic_share(nearest).value == 0.0);  // not farther than the copy's own copy

  // A collapsed generator: everything is one reference row.
  const Manifold collapsed = manifold_metrics(x.narrow(0, 4, 1).repeat({40, 1}), x);
  CHECK(collapsed.precision.value == 1.0);
  CHECK(collapsed.recall.value == Approx(1.0 / 30));
  CHECK(authentic(x.narrow(0, 4, 1).repeat({40, 1}), x).value == 0.0);
  // Two constant sets: every ball has radius 0 and, with <, is empty.
  const Manifold constant = manifold_metrics(at::zeros({50, 3}), at::zeros({60, 3}));
  CHECK(constant.precision.value == 1.0);
  CHECK(constant.recall.value == 1.0);
  CHECK(constant.density.value == 0.0);
  CHECK(constant.coverage.value == 0.0);
}

TEST_CASE("known answers of precision, recall, density and coverage") {
  const at::Tensor x = normal_features(1, 200, 8);
  const Manifold same_set = manifold_metrics(x, x);
  CHECK(same_set.precision.value == 1.0);
  CHECK(same_set.recall.value == 1.0);
  CHECK(same_set.coverage.value == 1.0);
  // Each ball of 5 holds its centre and 4 others; the fifth lies on its surface, which < leaves out.
  CHECK(same_set.density.value == Approx(1.0).epsilon(1e-15));
  CHECK(*same_set.precision.se == 0.0);
  CHECK(*same_set.recall.se == 0.0);

  const Manifold far = manifold_metrics(x + 1e3, x);
  for (const Estimate& estimate : {far.precision, far.recall, far.density, far.coverage})
    CHECK(estimate.value == 0.0);

  // Two modes, of which the generator knows one.
  const at::Tensor modes = at::cat({x, normal_features(2, 200, 8) + 1e3});
  const Manifold half = manifold_metrics(x, modes);
  CHECK(half.precision.value == 1.0);
  CHECK(half.recall.value == 0.5);
  CHECK(*half.recall.se == Approx(std::sqrt(0.25 / 400)));
  CHECK(half.coverage.value == 0.5);
  // The other way round: half of what it makes is nothing real, all that is real is made.
  const Manifold beside = manifold_metrics(modes, x);
  CHECK(beside.precision.value == 0.5);
  CHECK(beside.recall.value == 1.0);
  CHECK(*beside.precision.se == Approx(std::sqrt(0.25 / 400)));
}

TEST_CASE("equal laws: density one, expected coverage, honest standard errors") {
  constexpr int kDraws = 150;
  constexpr int64_t kN = 120, kM = 80;
  const auto run = [&](const auto& reference_of) {
    at::Tensor values = at::zeros({kDraws, 4}, at::kDouble), errors = at::zeros({kDraws, 3}, at::kDouble);
    for (int draw = 0; draw < kDraws; ++draw) {
      const at::Tensor x = normal_features(static_cast<uint64_t>(1000 + draw), kN, 3), y = reference_of(draw);
      const Manifold m = manifold_metrics(x, y);
      values[draw] = at::tensor({m.precision.value, m.density.value, m.coverage.value, authentic(x, y).value},
                                at::kDouble);
      errors[draw] = at::tensor({*m.precision.se, *m.density.se, *m.coverage.se}, at::kDouble);
    }
    return std::pair(values, errors);
  };
  const at::Tensor fresh =
      run([](int draw) { return normal_features(static_cast<uint64_t>(5000 + draw), kM, 3); }).first;
  const auto mean = [&](int64_t of) { return fresh.select(1, of).mean().item<double>(); };
  const auto five = [&](int64_t of) {  // five standard errors of that mean
    return 5.0 * fresh.select(1, of).std().item<double>() / std::sqrt(1.0 * kDraws);
  };
  CHECK(std::abs(mean(1) - 1.0) < five(1));
  CHECK(five(1) < 0.05);
  CHECK(std::abs(mean(2) - expected_coverage(kN, kM, 5)) < five(2));
  CHECK(five(2) < 0.01);
  CHECK(expected_coverage(kN, kM, 5) == Approx(0.991).margin(0.002));
  CHECK(expected_coverage(1, 2, 1) == Approx(0.5));  // two others, one real: nearest by even chance
  CHECK(std::abs(mean(3) - 0.5) < 0.1);              // in three dimensions; more in many

  // Against one reference, fresh samples spread as the standard errors say.
  const at::Tensor reference = normal_features(4999, kM, 3);
  const auto [values, errors] = run([&](int) { return reference; });
  for (int64_t metric = 0; metric < 3; ++metric) {
    CAPTURE(metric);
    const double spread = values.select(1, metric).std().template item<double>(),
                 told = errors.select(1, metric).mean().template item<double>();
    CHECK(told / spread > 0.8);
    CHECK(told / spread < (metric == 2 ? 1.8 : 1.2));  // a jackknife of coverage errs upwards
  }
}

TEST_CASE("recall of one generated set spreads over fresh references as its error says") {
  constexpr int kDraws = 150;
  const at::Tensor generated = normal_features(1, 60, 3) * 0.7;
  at::Tensor values = at::zeros({kDraws}, at::kDouble), errors = at::zeros({kDraws}, at::kDouble);
  for (int draw = 0; draw < kDraws; ++draw) {
    const Estimate recall =
        manifold_metrics(generated, normal_features(100 + static_cast<uint64_t>(draw), 90, 3)).recall;
    values[draw] = recall.value;
    errors[draw] = *recall.se;
  }
  const double spread = values.std().item<double>(), told = errors.mean().item<double>();
  CHECK(told / spread > 0.8);
  CHECK(told / spread < 1.2);
}

TEST_CASE("authentic samples are farther from a training row than its neighbour") {
  const at::Tensor training = at::tensor({0.0, 1.0, 10.0}, at::kDouble).unsqueeze(1);
  const at::Tensor x = at::tensor({0.25, -1.5, 2.0, 12.0, 30.0}, at::kDouble).unsqueeze(1);
  const NearestReference nearest = nearest_reference(x, training);
  CHECK(at::equal(nearest.index, at::tensor({0, 0, 1, 2, 2}, at::kLong)));
  CHECK(at::equal(nearest.distance, at::tensor({0.25, 1.5, 1.0, 2.0, 20.0}, at::kDouble)));
  CHECK(at::equal(nearest.gap, at::tensor({1.0, 1.0, 1.0, 9.0, 9.0}, at::kDouble)));
  CHECK(authentic_share(nearest).value == Approx(0.4));  // 2.0 is exactly as far: not authentic
  CHECK(*authentic_share(nearest).se == Approx(std::sqrt(0.4 * 0.6 / 5)));
}

TEST_CASE("tiles change no bit") {
  const at::Tensor x = (normal_features(1, 97, 13) * 2.0).round().to(at::kFloat),
                   y = x.flip(0).narrow(0, 5, 83);
  const Neighbourhood whole = neighbourhood(x, y);
  const NearestReference nearest = nearest_reference(x, y);
  for (int64_t tile : {1, 7, 32, 96, 97, 5000}) {
    CAPTURE(tile);
    CHECK(at::equal(squared_radii(x, 4, tile), squared_radii(x, 4)));
    same(neighbourhood(x, y, {}, {}, tile), whole);
    const NearestReference tiled = nearest_reference(x, y, {}, tile);
    CHECK(at::equal(tiled.index, nearest.index));
    CHECK(at::equal(tiled.distance, nearest.distance));
    CHECK(at::equal(tiled.gap, nearest.gap));
  }
  same(neighbourhood(x, y, {}, squared_radii(y, 9)), whole);  // radii from before, more than are needed
  CHECK(at::equal(nearest_reference(x, y, squared_radii(y, 2)).gap, nearest.gap));
}

TEST_CASE("a watch hears of the tiles of every pass in order, and of the end") {
  const at::Tensor x = normal_features(1, 50, 3), y = normal_features(2, 70, 3), radii = squared_radii(y, 5);
  const auto heard = [](const auto& run) {
    std::vector<int64_t> done;
    int64_t all = 0;
    run([&](int64_t now, int64_t total) {
      done.push_back(now);
      all = total;
    });
    CHECK(std::ranges::is_sorted(done));
    CHECK(done.back() == all);
    return std::pair(done, all);
  };
  // Per strip of 20 rows, one call for each tile of the points; one at the end of the pass.
  const auto [rows, of] = heard([&](const Watch& watch) { squared_radii(x, 2, 20, watch); });
  CHECK(of == 50);
  CHECK(rows == std::vector<int64_t>{0, 8, 16, 20, 28, 36, 40, 44, 48, 50});
  const auto three = heard([&](const Watch& watch) { neighbourhood(x, y, {}, {}, 20, watch); });
  CHECK(three.second == 70 * 70 + 50 * 50 + 50 * 70);
  CHECK(three.first.size() == 17 + 10 + 13);
  const auto two = heard([&](const Watch& watch) { neighbourhood(x, y, {}, radii, 20, watch); });
  CHECK(two.second == 50 * 50 + 50 * 70);
  CHECK(heard([&](const Watch& watch) { nearest_reference(x, y, radii, 20, watch); }).second == 50 * 70);
  CHECK(heard([&](const Watch& watch) { nearest_reference(x, y, {}, 20, watch); }).second == 2 * 50 * 70);
}

TEST_CASE("neighbour metrics of the reference implementations") {
  const auto* name =
      GENERATE("features_full_f32", "features_full_f64", "features_low_rank", "features_rank_deficient");
  CAPTURE(name);
  const io::TensorFile file = io::read_safetensors(std::filesystem::path(ONESTEP_GOLDEN) / "evaluation" /
                                                   (std::string(name) + ".safetensors"));
  for (const int64_t k : {3, 5}) {
    const std::string suffix = "_k" + std::to_string(k);
    const Manifold m = manifold_metrics(file.at("features_1"), file.at("features_2"), {k, k});
    const auto is = [&](const Estimate& estimate, const std::string& key) {
      CAPTURE(key, k);
      CHECK(estimate.value == Approx(file.at("value/" + key + suffix).item<double>()).margin(1e-6));
    };
    is(m.precision, "precision");
    is(m.recall, "recall");
    is(m.precision, "prdc_precision");  // < there, ≤ here: the same where nothing ties
    is(m.recall, "prdc_recall");
    is(m.density, "prdc_density");
    is(m.coverage, "prdc_coverage");
  }
}

TEST_CASE("what has no neighbours says so") {
  const at::Tensor x = normal_features(1, 5, 3);
  CHECK_THROWS_WITH(squared_radii(x, 5),
                    Catch::Contains("5 neighbours need k >= 1 and more than k rows, got 5"));
  CHECK_THROWS_WITH(squared_radii(x, 0), Catch::Contains("0 neighbours"));
  CHECK_THROWS_WITH(squared_radii(at::zeros({5}), 1), Catch::Contains("[N, d], got [5]"));
  CHECK_THROWS_WITH(squared_radii(at::zeros({0, 3}), 1), Catch::Contains("[N, d], got [0, 3]"));
  CHECK_THROWS_WITH(squared_radii(at::zeros({5, 3}, at::kLong), 1), Catch::Contains("float32 or float64"));
  CHECK_THROWS_WITH(squared_radii(x * 1e200, 1), Catch::Contains("too large to be squared"));
  CHECK_THROWS_WITH(squared_radii(x, 1, 0), Catch::Contains("tile must be positive"));
  const at::Tensor y = normal_features(2, 9, 3);
  CHECK_THROWS_WITH(neighbourhood(y, x), Catch::Contains("5 neighbours need"));
  CHECK_NOTHROW(neighbourhood(x, y));
  CHECK_THROWS_WITH(neighbourhood(x.narrow(0, 0, 3), y), Catch::Contains("3 neighbours need"));
  CHECK_THROWS_WITH(neighbourhood(y, normal_features(2, 9, 4)), Catch::Contains("widths differ, 3 and 4"));
  CHECK_THROWS_WITH(nearest_reference(y, normal_features(2, 9, 4)), Catch::Contains("widths differ"));
  CHECK_THROWS_WITH(nearest_reference(y, x.narrow(0, 0, 1)), Catch::Contains("1 neighbours need"));
  CHECK_THROWS_WITH(neighbourhood(x, y, {}, squared_radii(y, 4)), Catch::Contains("[9, at least 5] float64"));
  CHECK_THROWS_WITH(nearest_reference(x, y, squared_radii(x, 1)), Catch::Contains("[9, at least 1] float64"));
}

}  // namespace
}  // namespace onestep
