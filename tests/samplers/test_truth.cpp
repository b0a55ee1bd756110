// SPDX-License-Identifier: Apache-2.0
// Data whose path is known: how fast solvers come to it, and what they make of it in few steps.
#include <array>
#include <cmath>
#include <map>

#include <ATen/ops/tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "noise/sigma_grid.h"
#include "samplers/denoise_wrappers.h"
#include "samplers/orders.h"

using namespace onestep;

namespace {

/// Karras's levels, down to sigma_min and not to 0.
std::vector<double> karras_to(double sigma_min, double sigma_max, int64_t steps) {
  std::vector<double> sigmas = sigma_grid({"karras", sigma_min, sigma_max, {}, {}}, steps + 1);
  sigmas.pop_back();
  return sigmas;
}

}  // namespace

TEST_CASE("every solver has its order, with exact history, on the nonlinear path of a mixture") {
  const orders::Truth truth = orders::truth(toys::Mixture{});
  for (const orders::Claim& claim : orders::claims()) {
    INFO(claim.name);
    const Solver solver = parse_solver(claim.name);
    CHECK(orders::measured_order(solver, truth, orders::Spacing::even) == Approx(claim.even).margin(0.12));
    CHECK(orders::measured_order(solver, truth, orders::Spacing::karras) ==
          Approx(claim.karras).margin(0.12));
  }
}

TEST_CASE("… and on a Gaussian's, evenly") {
  // One curve for all starts, since d is linear in x: where its error term changes sign on the way down, an
  // order shows late. (The midpoint rule's cancels altogether: 3.)
  const auto [name, order] = GENERATE(table<std::string, double>({{"euler", 1},
                                                                  {"heun", 2},
                                                                  {"midpoint", 3},
                                                                  {"dpmpp2m", 2},
                                                                  {"ab1", 1},
                                                                  {"ab2", 2},
                                                                  {"ab3", 3},
                                                                  {"ab4", 4},
                                                                  {"ab5", 5},
                                                                  {"hb0.8", 1},
                                                                  {"hb3.8", 1},
                                                                  {"nt3.8", 1},
                                                                  {"ghvb0.8", 1},
                                                                  {"ghvb1.8", 2},
                                                                  {"ghvb2.8", 3},
                                                                  {"ghvb3.8", 4},
                                                                  {"ghvb4.8", 5}}));
  INFO(name);
  const orders::Truth truth = orders::truth(toys::Gaussian{});
  CHECK(orders::measured_order(parse_solver(name), truth, orders::Spacing::even) ==
        Approx(order).margin(0.25));
}

TEST_CASE("a Gaussian comes out with the variance that the solver's contraction gives") {
  // Shared design samplers §5, T3: 18 Karras steps from 80, s = 0.5; 1 is the truth.
  const auto [name, ratio] = GENERATE(table<std::string, double>({{"euler", .716},
                                                                  {"heun", 1.114},
                                                                  {"ab2", .951},
                                                                  {"ab3", 1.025},
                                                                  {"ab4", 1.042},
                                                                  {"ghvb3.8", 1.042},
                                                                  {"ghvb1.8", .931},
                                                                  {"hb3.8", .907},
                                                                  {"hb1.5", .554},
                                                                  {"nt3.8", 1.015},
                                                                  {"dpmpp2m", 1.128},
                                                                  {"dpmpp2m_hb0.8", .905},
                                                                  {"unipc2", 1.099}}));
  INFO(name);
  const toys::Gaussian centred{.mu = 0, .s = 0.5};
  const at::Tensor end =
      integrate(parse_solver(name), centred.denoise(), at::tensor({80.0}, at::kDouble), sigma_grid({}, 18));
  CHECK(std::pow(end.item<double>() / 0.5, 2) == Approx(ratio).margin(6e-4));
}

TEST_CASE("under strong guidance high orders overshoot, and momentum tames them") {
  // Shared design samplers §5, T5: cond N(0, 0.2²), uncond N(0, 0.5²), w = 15, 15 geometric steps 10 → 0.05.
  const Denoise guided = autoguided(toys::Gaussian{0, 0.2}.denoise(), toys::Gaussian{0, 0.5}.denoise(), 15);
  std::vector<double> sigmas = sigma_grid({"exponential", 0.05, 10, {}, {}}, 16);
  sigmas.pop_back();
  const auto left = [&](const std::string& solver) {  // of |x|, in standard deviations; 2e-6 is the truth
    const at::Tensor end = integrate(parse_solver(solver), guided, at::tensor({10.0}, at::kDouble), sigmas);
    return std::abs(end.item<double>()) / 0.5;
  };
  for (const auto& [name, expected] : std::map<std::string, double>{{"ab1", 3.2e-4},
                                                                    {"ab2", .015},
                                                                    {"ab3", 1.07},
                                                                    {"ab4", 9.5},
                                                                    {"nt3.8", 2.4},
                                                                    {"ghvb3.8", 3.2},
                                                                    {"hb3.8", 1.3},
                                                                    {"hb3.5", .009},
                                                                    {"ghvb1.8", 2.5e-4},
                                                                    {"dpmpp2m", 1.8e-3},
                                                                    {"dpmpp2m_hb0.8", 4.8e-4}}) {
    INFO(name);
    CHECK(left(name) == Approx(expected).epsilon(0.05));
  }
  CHECK(left("ab2") < left("ab3"));
  CHECK(left("ab3") < left("ab4"));
  for (const std::string calmer : {"hb3.8", "nt3.8", "ghvb3.8"}) CHECK(left(calmer) < 0.5 * left("ab4"));
  CHECK(left("hb3.5") < 0.01 * left("hb3.8"));
  CHECK(left("dpmpp2m_hb0.8") < 0.5 * left("dpmpp2m"));
}

TEST_CASE("the nonlinear path of a mixture is met by fine grids") {
  const toys::Mixture mixture{{{0.35, -1.0, 0.2}, {0.65, 0.8, 0.3}}};
  const std::vector<double> starts{-3.0, -0.4, 0.1, 2.0};
  // The classical Runge–Kutta method with 10,000 steps.
  std::vector<double> ends;
  const auto d = [&](double x, double sigma) { return (x - mixture.denoised(x, sigma)) / sigma; };
  const std::vector<double> sigmas = toys::even_grid(5, 0.05, 10'000);
  for (double x : starts) {
    for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
      const double sigma = sigmas[i], h = sigmas[i + 1] - sigma;
      const double k1 = d(x, sigma), k2 = d(x + h / 2 * k1, sigma + h / 2);
      const double k3 = d(x + h / 2 * k2, sigma + h / 2), k4 = d(x + h * k3, sigma + h);
      x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    ends.push_back(x);
  }
  const at::Tensor start = at::tensor(starts, at::kDouble), truth = at::tensor(ends, at::kDouble);
  CHECK(toys::relative_error(mixture.path(start, 5, 0.05), truth) < 1e-10);

  // A cold start's first step is Euler's: that floor remains at orders above 2.
  const std::array<double, 3> tolerance{4e-3, 4e-5, 2e-6};
  for (const orders::Claim& claim : orders::claims()) {
    INFO(claim.name);
    const at::Tensor end =
        integrate(parse_solver(claim.name), mixture.denoise(), start, karras_to(0.05, 5, 400));
    CHECK(toys::relative_error(end, truth) < tolerance[std::min(claim.karras, 3) - 1]);
  }
}
