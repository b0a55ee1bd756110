// SPDX-License-Identifier: Apache-2.0
// y' = λy with z = hλ: one step is a linear map of (y, past slopes, velocity). The map is read off the
// implementation by giving it the unit vectors, all at once; its spectral radius says whether the solver's
// errors grow.
#include <complex>

#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_eigvals.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "samplers/toys.h"

using namespace onestep;

namespace {

double spectral_radius(const HeavyBall& solver, std::complex<double> z) {
  const int64_t k = solver.order;
  const at::Tensor unit = at::eye(k + 1, at::kComplexDouble);  // rows: y, d_{n−1} … d_{n−k+1}, v
  const at::Tensor& y = unit[0];
  History history;
  for (int64_t past = 1; past < k; ++past) history.slopes.push_back(unit[past]);
  history.velocity = unit[k];
  const at::Tensor u = mix(solver, y * c10::complex<double>(z.real(), z.imag()), history);
  std::vector<at::Tensor> rows{y + u};
  for (int64_t past = 0; past + 1 < k; ++past) rows.push_back(history.slopes[past]);
  rows.push_back(history.velocity);
  return at::linalg_eigvals(at::stack(rows)).abs().max().item<double>();
}

/// The |z| at which errors begin to grow on the ray of direction `towards`, between `stable` and `unstable`.
double limit(const HeavyBall& solver, std::complex<double> towards, double stable, double unstable) {
  REQUIRE(spectral_radius(solver, stable * towards) <= 1 + 1e-10);
  REQUIRE(spectral_radius(solver, unstable * towards) > 1);
  while (unstable - stable > 1e-9) {
    const double middle = (stable + unstable) / 2;
    (spectral_radius(solver, middle * towards) <= 1 ? stable : unstable) = middle;
  }
  return stable;
}

}  // namespace

TEST_CASE("on the real axis the heavy ball is stable up to a_k (2 − β)/β") {
  const auto [order, a] =
      GENERATE(table<int64_t, double>({{1, 2.0}, {2, 1.0}, {3, 6.0 / 11}, {4, 3.0 / 10}}));
  const double beta = GENERATE(1.0, 0.9, 0.8, 0.5, 0.2);
  INFO("order " << order << ", beta " << beta);
  const double expected = a * (2 - beta) / beta;
  CHECK(limit({order, beta}, -1, 0.9 * expected, 1.1 * expected) == Approx(expected).epsilon(1e-6));
}

TEST_CASE("growth at z = −0.4 is that of the closed form") {
  const auto [beta, radius] =
      GENERATE(table<double, double>({{1, 1.220}, {.9, 1.064}, {.8, .917}, {.5, .671}}));
  CHECK(spectral_radius({4, beta}, -0.4) == Approx(radius).margin(6e-4));
}

TEST_CASE("at 120 degrees momentum on Euler's method shrinks the stable region") {
  const auto [beta, expected] = GENERATE(table<double, double>({{1, 1.00}, {.8, .77}, {.2, .15}}));
  const std::complex<double> towards = std::polar(1.0, 2 * std::acos(-1.0) / 3);
  CHECK(limit({1, beta}, towards, 0.9 * expected, 1.1 * expected) == Approx(expected).margin(6e-3));
}

TEST_CASE("Euler's and Heun's methods grow by their stability polynomials") {
  const double lambda = GENERATE(-0.4, -2.5, 0.3);
  const at::Tensor y = at::ones({1}, at::kDouble);
  // The denoiser whose slope (x − D)/σ is λx.
  const Denoise linear = [&](const at::Tensor& x, double sigma) { return x - sigma * lambda * x; };
  const double z = (2 - 3) * lambda;
  History none;
  CHECK(step(Euler{}, linear, y, 3, 2, none).item<double>() == Approx(1 + z));
  CHECK(step(Heun{}, linear, y, 3, 2, none).item<double>() == Approx(1 + z + z * z / 2));
}
