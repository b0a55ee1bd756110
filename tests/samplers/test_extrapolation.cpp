// SPDX-License-Identifier: Apache-2.0
// The weights of multistep rules against closed forms.
#include <cmath>
#include <numeric>

#include <ATen/ops/ones.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "samplers/extrapolation.h"
#include "samplers/history.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

double sum(const std::vector<double>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

void check_equal(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(tolerance).margin(tolerance));
}

std::vector<double> over(std::vector<double> numerators, double denominator) {
  for (double& x : numerators) x /= denominator;
  return numerators;
}

/// ∫₀¹ τ^p κ e^{κτ}/(e^κ − 1) dτ by Simpson's rule.
double moment(double kappa, int64_t p) {
  constexpr int kIntervals = 20'000;
  long double total = 0;
  for (int i = 0; i <= kIntervals; ++i) {
    const long double tau = static_cast<long double>(i) / kIntervals;
    // κ e^{κτ}/(e^κ − 1), written without its 0/0 and with exponents below 0 alone.
    const long double density =
        kappa == 0  ? 1
        : kappa > 0 ? kappa * std::exp(kappa * (tau - 1)) / -std::expm1(-static_cast<long double>(kappa))
                    : kappa * std::exp(kappa * tau) / std::expm1(static_cast<long double>(kappa));
    const int weight = i == 0 || i == kIntervals ? 1 : i % 2 == 1 ? 4 : 2;
    total += weight * std::pow(tau, static_cast<long double>(p)) * density;
  }
  return static_cast<double>(total / (3 * kIntervals));
}

}  // namespace

TEST_CASE("Adams–Bashforth's weights") {
  check_equal(ghvb_weights(1, 1), {1}, 1e-15);
  check_equal(ghvb_weights(2, 1), over({3, -1}, 2), 1e-15);
  check_equal(ghvb_weights(3, 1), over({23, -16, 5}, 12), 1e-15);
  check_equal(ghvb_weights(4, 1), over({55, -59, 37, -9}, 24), 1e-15);
  check_equal(ghvb_weights(5, 1), over({1901, -2774, 2616, -1274, 251}, 720), 1e-14);
}

TEST_CASE("the generalised heavy ball's weights") {
  const double b = GENERATE(1.0, 0.9, 0.8, 0.5, 0.2, 0.01);
  check_equal(ghvb_weights(1, b), {1}, 1e-14);
  check_equal(ghvb_weights(2, b), over({2 + b, -(2 - b)}, 2 * b), 1e-14);
  check_equal(ghvb_weights(3, b), over({18 + 5 * b, -(24 - 8 * b), 6 - b}, 12 * b), 1e-14);
  check_equal(ghvb_weights(4, b), over({46 + 9 * b, -(78 - 19 * b), 42 - 5 * b, -(10 - b)}, 24 * b), 1e-14);
  check_equal(
      ghvb_weights(5, b),
      over({1650 + 251 * b, -(3420 - 646 * b), 2880 - 264 * b, -(1380 - 106 * b), 270 - 19 * b}, 720 * b),
      1e-14);
  for (int64_t k = 1; k <= kMaxOrder; ++k) CHECK(sum(ghvb_weights(k, b)) == Approx(1).epsilon(1e-12));
}

TEST_CASE("weights that there are not") {
  CHECK_THROWS_WITH(ghvb_weights(0, 1), Contains("order must be 1 to 5, got 0"));
  CHECK_THROWS_WITH(ghvb_weights(6, 1), Contains("order must be 1 to 5, got 6"));
  CHECK_THROWS_WITH(ghvb_weights(2, 0), Contains("beta must be in (0, 1], got 0"));
  CHECK_THROWS_WITH(ghvb_weights(2, 1.5), Contains("beta must be in (0, 1], got 1.5"));
  CHECK_THROWS_WITH(ghvb_weights(2, std::nan("")), Contains("beta must be in (0, 1], got nan"));
  CHECK_THROWS_WITH(weighted_sum({}, {}), Contains("0 weights for 0 tensors"));
  CHECK_THROWS_WITH(weighted_sum({1, 2}, {at::ones({1})}), Contains("2 weights for 1 tensors"));
}

TEST_CASE("the moments of a step, by quadrature") {
  const double kappa = GENERATE(-12.0, -5.0, -2.0, -1.01, -1.0, -0.99, -0.3, -1e-3, -1e-7, -1e-12, 0.0, 1e-12,
                                1e-7, 1e-3, 0.3, 0.99, 1.0, 1.01, 2.0, 5.0, 12.0);
  INFO("kappa " << kappa);
  for (int64_t k = 1; k <= kMaxOrder; ++k) {
    const std::vector<double> moments = step_moments(kappa, k);
    REQUIRE(moments.size() == static_cast<size_t>(k));
    CHECK(moments[0] == Approx(1).epsilon(1e-14));
    for (int64_t p = 1; p < k; ++p) CHECK(moments[p] == Approx(moment(kappa, p)).epsilon(1e-12));
  }
}

TEST_CASE("the measure of each rule") {
  using enum Extrapolation;
  using enum TwoPoints;
  const double h = GENERATE(0.01, 0.7, 3.0);
  check_equal(step_moments(lagrange, midpoint, h, 4), {1, 1. / 2, 1. / 3, 1. / 4}, 1e-14);
  // dσ is e^{−t} dt in the clock t = −ln σ; the exact solution's factor is its inverse.
  for (int64_t p = 0; p < 4; ++p) {
    CHECK(step_moments(log_lagrange, midpoint, h, 4)[p] == Approx(moment(-h, p)).epsilon(1e-12));
    CHECK(step_moments(exponential, midpoint, h, 4)[p] == Approx(moment(h, p)).epsilon(1e-12));
  }
  check_equal(step_moments(exponential, midpoint, h, 2), {1, 0.5}, 1e-15);
  check_equal(step_moments(exponential, heun, h, 2), {1, 1 / (1 - std::exp(-h)) - 1 / h}, 1e-12);
  check_equal(step_moments(exponential, b1, h, 2), {1, h / (2 * (1 - std::exp(-h)))}, 1e-14);
}

TEST_CASE("on even steps Lagrange's weights are Adams–Bashforth's") {
  for (int64_t k = 1; k <= kMaxOrder; ++k) {
    std::vector<std::vector<double>> rows;
    for (int64_t j = 0; j < k; ++j) rows.push_back(powers(7 + 2 * static_cast<double>(j), 7, 5, k));
    check_equal(match_moments(rows, step_moments(0, k)), ghvb_weights(k, 1), 1e-12);
  }
}

TEST_CASE("matched weights sum to one and integrate the powers, wherever the points are") {
  const std::vector<double> places{2, 2.3, 3.5, 4.1, 7};
  const double kappa = GENERATE(-2.0, 0.0, 0.5);
  for (int64_t k = 1; k <= kMaxOrder; ++k) {
    std::vector<std::vector<double>> rows;
    for (int64_t j = 0; j < k; ++j) rows.push_back(powers(places[j], 2, 1.2, k));
    const std::vector<double> weights = match_moments(rows, step_moments(kappa, k));
    CHECK(sum(weights) == Approx(1).epsilon(1e-10));
    for (int64_t p = 0; p < k; ++p) {
      double mean = 0;
      for (int64_t j = 0; j < k; ++j) mean += weights[j] * std::pow((2 - places[j]) / (2 - 1.2), p);
      CHECK(mean == Approx(moment(kappa, p)).epsilon(1e-9));
    }
  }
}

TEST_CASE("powers are in units of the step") {
  CHECK((powers(3, 5, 1, 4) == std::vector<double>{1, 0.5, 0.25, 0.125}));
  CHECK((powers(5, 5, 1, 3) == std::vector<double>{1, 0, 0}));
  CHECK(powers(9, 5, 1, 2)[1] == -1);
}
