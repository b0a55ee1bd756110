// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include <c10/util/Exception.h>
#include <catch2/catch.hpp>

#include "noise/beta_quantile.h"

using namespace onestep;

namespace {

/// `value` and `truth` differ by less than `tolerance` of the truth.
bool near(double value, double truth, double tolerance = 4e-15) {
  return std::abs(value - truth) <= tolerance * std::abs(truth);
}

}  // namespace

TEST_CASE("Quantiles of the beta distributions that have a closed form") {
  for (int i = 1; i < 2000; ++i) {
    const double p = i / 2000.0;
    INFO("p = " << p);
    CHECK(near(beta_quantile(p, 1, 1), p));
    CHECK(near(beta_quantile(p, 2, 1), std::sqrt(p)));
    CHECK(near(beta_quantile(p, 1, 2), p / (1 + std::sqrt(1 - p))));
    CHECK(near(beta_quantile(p, 0.1, 1), std::pow(p, 10), 4e-14));
    const double arcsine = std::sin(std::numbers::pi / 2 * p);
    CHECK(near(beta_quantile(p, 0.5, 0.5), arcsine * arcsine));
  }
}

// Computed with 50 digits for exactly these doubles.
TEST_CASE("Quantiles of the beta distributions that have none") {
  CHECK(near(beta_quantile(0.1, 0.6, 0.6), 0.03958440558878085171420434));
  CHECK(near(beta_quantile(0.001, 0.6, 0.6), 1.855873851745199714320177e-5));
  CHECK(near(beta_quantile(0.3, 5, 40), 0.0829500871904026402219644));
  CHECK(near(beta_quantile(0.2, 0.05, 0.7), 1.938854830442119633082147e-14, 1e-14));
  CHECK(near(beta_cdf(0.2, 0.6, 0.6), 0.2713679328265824211951377));
}

TEST_CASE("The beta quantile: mirror, ends, inverse of the distribution function") {
  for (const double alpha : {0.01, 0.3, 0.6, 1.0, 3.7, 50.0}) {
    for (const double beta : {0.01, 0.3, 0.6, 1.0, 3.7, 50.0}) {
      INFO("alpha = " << alpha << ", beta = " << beta);
      CHECK(beta_quantile(0, alpha, beta) == 0);
      CHECK(beta_quantile(1, alpha, beta) == 1);
      double before = 0;
      for (int i = 1; i < 64; ++i) {
        const double p = i / 64.0;
        const double x = beta_quantile(p, alpha, beta);
        CHECK(x >= before);
        CHECK(x == Approx(1 - beta_quantile(1 - p, beta, alpha)).margin(1e-13).epsilon(0));
        if (x > 1e-300 && x < 0.5) CHECK(near(beta_cdf(x, alpha, beta), p, 1e-12));
        before = x;
      }
    }
  }
}

TEST_CASE("The beta distribution refuses what is none") {
  const double nan = std::nan("");
  CHECK_THROWS_AS(beta_quantile(-0.1, 1, 1), c10::Error);
  CHECK_THROWS_AS(beta_quantile(1.1, 1, 1), c10::Error);
  CHECK_THROWS_AS(beta_quantile(nan, 1, 1), c10::Error);
  CHECK_THROWS_AS(beta_quantile(0.5, 0, 1), c10::Error);
  CHECK_THROWS_AS(beta_quantile(0.5, 1, -1), c10::Error);
  CHECK_THROWS_AS(beta_quantile(0.5, nan, 1), c10::Error);
  CHECK_THROWS_AS(beta_quantile(0.5, 100, 100), c10::Error);
  CHECK_THROWS_AS(beta_cdf(2, 1, 1), c10::Error);
}
