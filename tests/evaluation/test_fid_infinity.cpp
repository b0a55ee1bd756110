// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/fid_infinity.h"
#include "evaluation/random_features.h"

namespace onestep {
namespace {

TEST_CASE("an exact a + b/N gives a") {
  std::vector<double> x, y;
  for (int n = 5000; n <= 50000; n += 2500) {
    x.push_back(1.0 / n);
    y.push_back(3.25 + 7100.0 / n);
  }
  const Line line = fit_line(x, y);
  CHECK(line.intercept.value == Approx(3.25).epsilon(1e-13));
  CHECK(line.slope == Approx(7100.0).epsilon(1e-12));
  CHECK(*line.intercept.se < 1e-13);
}

TEST_CASE("the line's error, by hand and by simulation") {
  // x̄ = 1, Σ(x−x̄)² = 2; slope 1/2, intercept 1/3; residuals −1/3, 2/3, −1/3 → s² = 2/3; variance 2/3 (1/3 +
  // 1/2).
  const Line by_hand = fit_line({0, 1, 2}, {0, 1.5, 1});
  CHECK(by_hand.slope == Approx(0.5));
  CHECK(by_hand.intercept.value == Approx(1.0 / 3.0));
  CHECK(*by_hand.intercept.se == Approx(std::sqrt(2.0 / 3.0 * 5.0 / 6.0)));
  const at::Tensor noise = normal_features(1, 2000, 15);
  const auto z = noise.accessor<double, 2>();
  double mean = 0, square = 0, predicted = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    std::vector<double> x, y;
    for (int64_t j = 0; j < 15; ++j) {
      x.push_back(1.0 / static_cast<double>(j + 1));
      y.push_back(2.0 - x.back() + 0.3 * z[i][j]);
    }
    const Estimate intercept = fit_line(x, y).intercept;
    mean += intercept.value / 2000;
    square += intercept.value * intercept.value / 2000;
    predicted += *intercept.se * *intercept.se / 2000;
  }
  CHECK(mean == Approx(2.0).margin(4.0 * std::sqrt(predicted / 2000)));
  CHECK(std::sqrt(predicted / (square - mean * mean)) == Approx(1.0).epsilon(0.06));
}

TEST_CASE("lines that are not fixed by their points") {
  CHECK_FALSE(fit_line({1, 2}, {1, 2}).intercept.se.has_value());
  CHECK_THROWS_WITH(fit_line({1, 1, 1}, {1, 2, 3}), Catch::Contains("all abscissas are equal"));
  CHECK_THROWS_WITH(fit_line({1}, {1}), Catch::Contains("1 abscissas"));
  CHECK_THROWS_WITH(fit_line({1, 2}, {1}), Catch::Contains("1 ordinates"));
}

TEST_CASE("sizes rise evenly from a tenth or twice the width to all; the last FID is that of all") {
  const Gaussian reference = fit_gaussian(normal_features(2, 900, 8) * 1.1);
  const at::Tensor x = normal_features(3, 400, 8);
  const FidInfinity result = fid_infinity(x, reference, 5);
  REQUIRE(result.sizes.size() == 15);
  REQUIRE(result.fids.size() == 15);
  CHECK(result.sizes.front() == 40);
  CHECK(result.sizes[7] == 220);
  CHECK(result.sizes.back() == 400);
  CHECK(result.fids.back() == frechet_distance(fit_gaussian(x), reference).value);
  CHECK(result.slope > 0);
  CHECK(result.intercept.value < result.fids.back());
  std::vector<double> inverse;
  for (int64_t n : result.sizes) inverse.push_back(1.0 / static_cast<double>(n));
  CHECK(result.intercept.value == fit_line(inverse, result.fids).intercept.value);
  CHECK(
      fid_infinity(normal_features(3, 100, 20), fit_gaussian(normal_features(2, 90, 20)), 5).sizes.front() ==
      40);

  CHECK(fid_infinity(x, reference, 5).fids == result.fids);
  CHECK_FALSE(fid_infinity(x, reference, 6).fids == result.fids);
}

TEST_CASE("FID infinity takes the bias of the sample's size away") {
  // Reference known exactly; generated from another law: Σ(√a − 1)² + ‖μ‖², a = 1.44, μ = 0.1.
  constexpr int64_t kD = 6, kN = 400;
  const Gaussian reference =
      fit_gaussian(Moments{101, at::zeros({kD}, at::kDouble), at::eye(kD, at::kDouble) * 100.0});
  constexpr double kTruth = kD * (0.04 + 0.01);
  constexpr int kReplications = 120;
  double plain = 0, mean = 0, square = 0;
  for (uint64_t i = 0; i < kReplications; ++i) {
    const FidInfinity result = fid_infinity(normal_features(100 + i, kN, kD) * 1.2 + 0.1, reference, i);
    plain += result.fids.back() / kReplications;
    mean += result.intercept.value / kReplications;
    square += result.intercept.value * result.intercept.value / kReplications;
  }
  const double se = std::sqrt((square - mean * mean) / kReplications);
  CAPTURE(kTruth, plain, mean, se);
  CHECK(plain - kTruth > 5.0 * se);  // the bias is there to be seen
  CHECK(std::abs(mean - kTruth) < 3.5 * se);
}

TEST_CASE("FID infinity says what it needs") {
  const Gaussian reference = fit_gaussian(normal_features(2, 90, 20));
  CHECK_THROWS_WITH(fid_infinity(normal_features(1, 79, 20), reference, 0),
                    Catch::Contains("20 features need at least 80 samples, got 79"));
  CHECK_NOTHROW(fid_infinity(normal_features(1, 80, 20), reference, 0));
  CHECK_THROWS_WITH(fid_infinity(normal_features(1, 39, 2), reference, 0),
                    Catch::Contains("at least 40 samples, got 39"));
  CHECK_THROWS_WITH(fid_infinity(normal_features(1, 100, 3), reference, 0), Catch::Contains("widths differ"));
}

}  // namespace
}  // namespace onestep
