// SPDX-License-Identifier: Apache-2.0
// Gaussian data: the path is known in closed form, and so is what each solver makes of it.
#include <ATen/ops/tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "noise/sigma_grid.h"
#include "samplers/toys.h"

using namespace onestep;

namespace {

const toys::Gaussian kGaussian;
const double kFrom = 5, kTo = 1;  // lower ends need finer grids before the order shows

/// What `solver` would remember had it come down the exact path on the same even grid.
History exact_history(const at::Tensor& start, double h) {
  History history;
  for (int past = 1; past < kMaxOrder; ++past) {
    const double sigma = kFrom + past * h;
    history.slopes.push_back(slope(kGaussian.denoise(), kGaussian.path(start, kFrom, sigma), sigma));
  }
  history.velocity = history.slopes.front();
  return history;
}

double error(const Solver& solver, int64_t n) {
  const at::Tensor start = at::tensor({4.0, -2.5, 0.7}, at::kDouble);
  const at::Tensor end = integrate(solver, kGaussian.denoise(), start, toys::even_grid(kFrom, kTo, n),
                                   exact_history(start, (kFrom - kTo) / n));
  return toys::relative_error(end, kGaussian.path(start, kFrom, kTo));
}

}  // namespace

TEST_CASE("every solver has its order on an even grid with exact history") {
  const auto [name, order, n] = GENERATE(table<std::string, double, int64_t>({{"euler", 1, 800},
                                                                              {"heun", 2, 800},
                                                                              {"hb1", 1, 800},
                                                                              {"hb2", 2, 800},
                                                                              {"hb3", 3, 800},
                                                                              {"hb4", 4, 400},
                                                                              {"hb5", 5, 400},
                                                                              {"hb0.8", 1, 800},
                                                                              {"hb1.8", 1, 800},
                                                                              {"hb3.8", 1, 800},
                                                                              {"hb4.5", 1, 800}}));
  INFO(name);
  const Solver solver = parse_solver(name);
  const double slope = std::log2(error(solver, n) / error(solver, 2 * n));
  CHECK(slope == Approx(order).margin(0.07));
}

TEST_CASE("a Gaussian comes out with the variance that the solver's contraction gives") {
  // Shared design samplers §5, T3: 18 Karras steps from 80, s = 0.5; 1 is the truth.
  const auto [name, ratio] = GENERATE(table<std::string, double>({{"euler", .716},
                                                                  {"heun", 1.114},
                                                                  {"hb2", .951},
                                                                  {"hb3", 1.025},
                                                                  {"hb4", 1.042},
                                                                  {"hb3.8", .907},
                                                                  {"hb1.5", .554}}));
  INFO(name);
  const toys::Gaussian centred{.mu = 0, .s = 0.5};
  const at::Tensor end = integrate(parse_solver(name), centred.denoise(), at::tensor({80.0}, at::kDouble),
                                   karras_grid(18, 0.002, 80, 7));
  CHECK(std::pow(end.item<double>() / 0.5, 2) == Approx(ratio).margin(6e-4));
}

TEST_CASE("the nonlinear path of a mixture is met by fine grids") {
  const GaussianMixture mixture{at::tensor({0.35, 0.65}, at::kDouble),
                                at::tensor({-1.0, 0.8}, at::kDouble).reshape({2, 1, 1, 1}),
                                at::tensor({0.2, 0.3}, at::kDouble).reshape({2, 1, 1, 1})};
  // D of the same mixture in plain numbers, and the classical Runge–Kutta method with 10,000 steps.
  const auto d = [](double x, double sigma) {
    double total = 0, sum = 0;
    for (const auto& [w, m, s] : {std::array{0.35, -1.0, 0.2}, std::array{0.65, 0.8, 0.3}}) {
      const double variance = s * s + sigma * sigma;
      const double p = w / std::sqrt(variance) * std::exp(-0.5 * (x - m) * (x - m) / variance);
      total += p;
      sum += p * (m + s * s / variance * (x - m));
    }
    return (x - sum / total) / sigma;
  };
  const std::vector<double> starts{-3.0, -0.4, 0.1, 2.0};
  std::vector<double> ends;
  for (double x : starts) {
    const std::vector<double> sigmas = toys::even_grid(5, 0.05, 10'000);
    for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
      const double sigma = sigmas[i], h = sigmas[i + 1] - sigma;
      const double k1 = d(x, sigma), k2 = d(x + h / 2 * k1, sigma + h / 2);
      const double k3 = d(x + h / 2 * k2, sigma + h / 2), k4 = d(x + h * k3, sigma + h);
      x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    ends.push_back(x);
  }
  const auto [name, tolerance] = GENERATE(table<std::string, double>(
      {{"euler", 3e-2}, {"heun", 1e-4}, {"hb2", 2e-4}, {"hb4", 1e-5}, {"hb3.8", 1e-2}}));
  INFO(name);
  // Karras's grid without its final 0.
  std::vector<double> sigmas = karras_grid(401, 0.05, 5, 7);
  sigmas.pop_back();
  const at::Tensor end = integrate(parse_solver(name), toys::denoise_of(mixture),
                                   at::tensor(starts, at::kDouble).unsqueeze(1), sigmas);
  CHECK(toys::relative_error(end.squeeze(1), at::tensor(ends, at::kDouble)) < tolerance);
}
