// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <catch2/catch.hpp>

#include "evaluation/kernel_distance.h"
#include "evaluation/random_features.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

/// By the definition, pair by pair.
double by_pairs(const at::Tensor& g, const at::Tensor& r) {
  const auto kernel = [](const at::Tensor& x, const at::Tensor& y) {
    return std::pow(x.dot(y).item<double>() / static_cast<double>(x.size(0)) + 1.0, 3);
  };
  const int64_t n = g.size(0), m = r.size(0);
  double gg = 0, rr = 0, gr = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) gg += i == j ? 0.0 : kernel(g[i], g[j]);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < m; ++j) rr += i == j ? 0.0 : kernel(r[i], r[j]);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j) gr += kernel(g[i], r[j]);
  const auto count = [](int64_t a, int64_t b) { return static_cast<double>(a * b); };
  return gg / count(n, n - 1) + rr / count(m, m - 1) - 2.0 * gr / count(n, m);
}

TEST_CASE("KID is its definition, with and without blocks") {
  const at::Tensor g = normal_features(1, 11, 3) + 0.2, r = 1.3 * normal_features(2, 9, 3);
  const Estimate few = kernel_distance(g, r);
  CHECK(few.value == Approx(by_pairs(g, r)).epsilon(1e-12));
  CHECK_FALSE(few.se.has_value());
  const at::Tensor more = normal_features(3, 47, 3) + 0.2, others = 1.3 * normal_features(4, 41, 3);
  const Estimate blocks = kernel_distance(more, others);
  CHECK(blocks.value == Approx(by_pairs(more, others)).epsilon(1e-12));
  CHECK(blocks.se.has_value());
}

TEST_CASE("KID over the reference's subsets") {
  const std::string name =
      GENERATE("features_full_f64", "features_full_f32", "features_low_rank", "features_rank_deficient");
  CAPTURE(name);
  const auto file =
      io::read_safetensors(std::string(ONESTEP_GOLDEN) + "/evaluation/" + name + ".safetensors");
  const at::Tensor values = kernel_distance_of_subsets(file.at("features_1"), file.at("features_2"),
                                                       file.at("kid_indices_1").to(at::kLong),
                                                       file.at("kid_indices_2").to(at::kLong));
  const double tolerance = name == "features_full_f32" ? 1e-5 : 1e-9;
  const at::Tensor expected = file.at("kid_per_subset_f64");
  REQUIRE(values.sizes() == expected.sizes());
  CHECK((values - expected).abs().max().item<double>() < tolerance);
  CHECK(values.mean().item<double>() == Approx(file.at("value/kid_mean").item<double>()).margin(tolerance));
}

TEST_CASE("KID of zero-mean Gaussians is 3 |S1 - S2|^2 / d^2") {
  // k = u³ + 3u² + 3u + 1 with u = xᵀy/d: odd powers vanish, E u² = tr Σ₁Σ₂ / d².
  constexpr int64_t kD = 4, kN = 120, kM = 90;
  const at::Tensor a = normal_features(5, kD, kD) * 0.5, b = normal_features(6, kD, kD) * 0.5;
  const double expected = 3.0 * (a.t().matmul(a) - b.t().matmul(b)).square().sum().item<double>() / (kD * kD);
  constexpr int kReplications = 400;
  double mean = 0, square = 0;
  for (uint64_t i = 0; i < kReplications; ++i) {
    const double kid = kernel_distance(normal_features(1000 + 2 * i, kN, kD).matmul(a),
                                       normal_features(1001 + 2 * i, kM, kD).matmul(b))
                           .value;
    mean += kid / kReplications;
    square += kid * kid / kReplications;
  }
  const double se = std::sqrt((square - mean * mean) / kReplications);
  CAPTURE(expected, mean, se);
  REQUIRE(se < 0.03 * expected);  // a biased estimator, with its k(x, x), is off by far more
  CHECK(std::abs(mean - expected) < 4.0 * se);
}

TEST_CASE("KID of one law is zero on average and of either sign") {
  double mean = 0, square = 0;
  int negative = 0;
  constexpr int kReplications = 300;
  for (uint64_t i = 0; i < kReplications; ++i) {
    const double kid =
        kernel_distance(normal_features(3000 + 2 * i, 60, 5), normal_features(3001 + 2 * i, 45, 5)).value;
    mean += kid / kReplications;
    square += kid * kid / kReplications;
    negative += kid < 0;
  }
  CHECK(std::abs(mean) < 4.0 * std::sqrt(square / kReplications));
  CHECK(negative > kReplications / 4);
}

TEST_CASE("tiles, blocks, order and precision of the input change KID by rounding only") {
  // 1100 rows: three tiles of the subset route, 20 blocks of the full one.
  const at::Tensor g = normal_features(7, 1100, 6) * 1.2, r = normal_features(8, 1050, 6) + 0.1;
  const double full = kernel_distance(g, r).value;
  const auto whole = [](int64_t n) { return at::arange(n).unsqueeze(0); };
  CHECK(kernel_distance_of_subsets(g, r, whole(1100), whole(1050)).item<double>() ==
        Approx(full).epsilon(1e-11));
  CHECK(kernel_distance(g.flip(0), r.flip(0)).value == Approx(full).epsilon(1e-11));
  CHECK(kernel_distance(r, g).value == Approx(full).epsilon(1e-11));
  const at::Tensor g32 = g.to(at::kFloat), r32 = r.to(at::kFloat);
  CHECK(kernel_distance(g32, r32).value == kernel_distance(g32.to(at::kDouble), r32.to(at::kDouble)).value);
}

/// Standard error that was predicted (root mean square) over the spread that is seen.
double error_ratio(uint64_t seed, double scale, double shift, bool sorted) {
  constexpr int kReplications = 300;  // the spread is known to 4 %
  constexpr int64_t kN = 200, kM = 160, kD = 3;
  double mean = 0, square = 0, predicted = 0;
  for (uint64_t i = 0; i < kReplications; ++i) {
    at::Tensor g = normal_features(seed + 2 * i, kN, kD) * scale + shift;
    const at::Tensor r = normal_features(seed + 2 * i + 1, kM, kD);
    if (sorted) g = g.index_select(0, g.select(1, 0).argsort());
    const Estimate kid = kernel_distance(g, r);
    mean += kid.value / kReplications;
    square += kid.value * kid.value / kReplications;
    predicted += *kid.se * *kid.se / kReplications;
  }
  return std::sqrt(predicted / (square - mean * mean));
}

TEST_CASE("the standard error of KID is its spread over fresh samples") {
  for (bool sorted : {false, true}) {  // rows in an order that tells of their values
    const double ratio = error_ratio(5000, 1.3, 0.5, sorted);
    CAPTURE(sorted, ratio);
    CHECK(ratio > 0.88);
    CHECK(ratio < 1.14);
  }
}

TEST_CASE("at equal laws the standard error of KID errs on the safe side, by at most a half") {
  const double ratio = error_ratio(7000, 1.0, 0.0, false);
  CAPTURE(ratio);
  CHECK(ratio > 1.0);
  CHECK(ratio < 1.5);
}

TEST_CASE("an outlier's kernel with itself does not spoil KID") {
  at::Tensor g = normal_features(9, 60, 4), r = normal_features(10, 60, 4);
  g[7] = 1e5;  // k(x, x) = 1e30; pairs reach 1e15
  CHECK(kernel_distance(g, r).value == Approx(by_pairs(g, r)).epsilon(1e-9));
}

TEST_CASE("KID refuses what it cannot compare") {
  const at::Tensor x = normal_features(1, 9, 3);
  CHECK_THROWS_WITH(kernel_distance(x, normal_features(1, 9, 4)), Catch::Contains("widths differ, 3 and 4"));
  CHECK_THROWS_WITH(kernel_distance(normal_features(1, 1, 3), x), Catch::Contains("N >= 2"));
  CHECK_THROWS_WITH(kernel_distance(x, x.to(at::kLong)), Catch::Contains("must be floating"));
  const at::Tensor rows = at::arange(4).reshape({2, 2});
  CHECK_THROWS_WITH(kernel_distance_of_subsets(x, x, rows, rows + 6), Catch::Contains("outside of 9 rows"));
  CHECK_THROWS_WITH(kernel_distance_of_subsets(x, x, rows - 1, rows), Catch::Contains("outside of 9 rows"));
  CHECK_THROWS_WITH(kernel_distance_of_subsets(x, x, rows, rows.narrow(0, 0, 1)),
                    Catch::Contains("2 subsets against 1"));
  CHECK_THROWS_WITH(kernel_distance_of_subsets(x, x, rows, rows.to(at::kInt)),
                    Catch::Contains("must be int64"));
}

}  // namespace
}  // namespace onestep
