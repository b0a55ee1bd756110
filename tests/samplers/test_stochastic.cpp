// SPDX-License-Identifier: Apache-2.0
// How steps are split for noise, and that the noise keeps the marginals.
#include <cmath>
#include <numbers>

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "noise/sigma_grid.h"
#include "samplers/seeds.h"
#include "samplers/solver_names.h"
#include "samplers/toys.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

/// The variance of what a run makes of Gaussian data, exactly: D is linear, so the state is a sum of the
/// start and of every draw, and a tensor of their coefficients stands for it.
double variance_after(const Solver& solver, double s, const std::vector<double>& sigmas) {
  const auto draws = static_cast<int64_t>(2 * sigmas.size());
  at::Tensor start = at::zeros({1 + draws}, at::kDouble);
  start[0] = std::sqrt(s * s + sigmas[0] * sigmas[0]);
  History history;
  history.noise = [&](int64_t step, int64_t draw) {
    at::Tensor unit = at::zeros({1 + draws}, at::kDouble);
    unit[2 * step - 1 + draw] = 1;
    return unit;
  };
  const toys::Gaussian centred{.mu = 0, .s = s};
  return integrate(solver, centred.denoise(), start, sigmas, history).square().sum().item<double>();
}

/// Levels from 20 to 0.1, and not to 0.
std::vector<double> levels(int64_t steps) {
  std::vector<double> sigmas = sigma_grid({"karras", 0.1, 20, {}, {}}, steps + 1);
  sigmas.pop_back();
  return sigmas;
}

Noise noise_of(const std::vector<int64_t>& seeds) {
  return [seeds](int64_t step, int64_t draw) {
    return noise_from_seeds(seeds, step, draw, {1, 1, 5})
        .to(at::kDouble)
        .view({static_cast<int64_t>(seeds.size()), 5});
  };
}

}  // namespace

TEST_CASE("a split adds up to the next level") {
  const double eta = GENERATE(0.0, 0.3, 1.0, 1.7);
  const auto [sigma, next] = GENERATE(table<double, double>({{80, 60}, {1, 0.9}, {1, 0.01}, {3, 1e-4}}));
  for (const Stochastic& rule : {Stochastic{Ancestral{eta}}, Stochastic{Sde{eta}}}) {
    const Split split = split_step(rule, sigma, next);
    CHECK(split.down >= 0);
    CHECK(std::hypot(split.down, split.up) == Approx(next).epsilon(1e-12));
  }
}

TEST_CASE("splits in closed form") {
  // Ancestral and sde agree where η = 1: down = σ'²/σ.
  for (const Stochastic& rule : {Stochastic{Ancestral{}}, Stochastic{Sde{}}}) {
    const Split split = split_step(rule, 3, 2);
    CHECK(split.down == Approx(4. / 3).epsilon(1e-14));
    CHECK(split.up == Approx(2 * std::sqrt(5) / 3).epsilon(1e-14));
  }
  // In between they don't. Ancestral: up = η σ' √(1 − σ'²/σ²); sde: down = σ' (σ'/σ)^η.
  CHECK(split_step(Ancestral{0.5}, 3, 2).up == Approx(std::sqrt(5) / 3).epsilon(1e-14));
  CHECK(split_step(Sde{0.5}, 3, 2).down == Approx(2 * std::sqrt(2. / 3)).epsilon(1e-14));
  CHECK(split_step(Ancestral{100}, 3, 2).down == 0);
  CHECK(split_step(Ancestral{100}, 3, 2).up == 2);
  CHECK(split_step(Renoise{}, 3, 2).down == 0);
  CHECK(split_step(Renoise{}, 3, 2).up == 2);
  for (const Stochastic& rule :
       {Stochastic{}, Stochastic{Churn{5}}, Stochastic{Ancestral{0}}, Stochastic{Sde{0}}}) {
    CHECK(split_step(rule, 3, 0.7).down == 0.7);
    CHECK(split_step(rule, 3, 0.7).up == 0);
  }
}

TEST_CASE("churn raises the level within its bounds, and by √2 at most") {
  const Churn churn{.churn = 2, .low = 0.5, .high = 10};
  CHECK(raised_level(churn, 3, 20) == Approx(3.3).epsilon(1e-14));
  CHECK(raised_level(churn, 10, 20) == Approx(11).epsilon(1e-14));
  CHECK(raised_level(churn, 0.5, 20) == Approx(0.55).epsilon(1e-14));
  CHECK(raised_level(churn, 10.01, 20) == 10.01);
  CHECK(raised_level(churn, 0.49, 20) == 0.49);
  CHECK(raised_level(churn, 3, 2) == Approx(3 * std::numbers::sqrt2).epsilon(1e-14));
  CHECK(raised_level(Sde{}, 3, 2) == 3);
}

TEST_CASE("without strength a stochastic solver is its deterministic one, bit for bit") {
  const auto [stochastic, plain] = GENERATE(table<std::string, std::string>({{"euler_ancestral", "euler"},
                                                                             {"heun_ancestral", "heun"},
                                                                             {"dpm2_ancestral", "dpm2"},
                                                                             {"dpmpp2s_ancestral", "dpmpp2s"},
                                                                             {"euler_sde", "euler"},
                                                                             {"dpmpp2m_sde", "dpmpp2m"},
                                                                             {"dpmpp_sde", "dpmpp2s"}}));
  INFO(stochastic);
  const at::Tensor start = 80 * latents_from_seeds({0, 1, 2}, {1, 1, 5}).to(at::kDouble).view({3, 5});
  History history;
  history.noise = noise_of({0, 1, 2});
  const Denoise d = toys::Mixture{}.denoise();
  const std::vector<double> sigmas = sigma_grid({}, 12);
  const at::Tensor noisy = integrate(parse_solver(stochastic, {.eta = 0.0}), d, start, sigmas, history);
  CHECK(at::equal(noisy, integrate(parse_solver(plain), d, start, sigmas)));
  const at::Tensor churned =
      plain == "dpmpp2m" ? noisy : integrate(parse_solver(plain, {.churn = 0.0}), d, start, sigmas, history);
  CHECK(at::equal(churned, noisy));
}

TEST_CASE("at η = 1 ancestral and sde noise are the same") {
  const at::Tensor start = 80 * at::ones({3, 5}, at::kDouble);
  History history;
  history.noise = noise_of({0, 1, 2});
  const Denoise d = toys::Mixture{}.denoise();
  for (const std::string method : {"euler", "heun", "dpm2", "dpmpp2s"}) {
    const at::Tensor a =
        integrate(parse_solver(method + "_ancestral"), d, start, sigma_grid({}, 12), history);
    const at::Tensor b = integrate(parse_solver(method + "_sde"), d, start, sigma_grid({}, 12), history);
    CHECK(toys::relative_error(a, b) < 1e-12);
  }
}

TEST_CASE("noise keeps the marginal variance as the grid refines") {
  // A step to `down` and noise up to the next level: were the step exact, so would be the split. What is left
  // is the method's own error, of its own order.
  const auto [name, options, order] =
      GENERATE(table<std::string, SolverOptions, int>({{"euler_ancestral", {}, 1},
                                                       {"euler_ancestral", {.eta = 0.4}, 1},
                                                       {"euler_sde", {.eta = 0.4}, 1},
                                                       {"euler", {.churn = 5.0}, 1},
                                                       {"heun", {.churn = 5.0}, 2},
                                                       {"heun_ancestral", {.eta = 0.4}, 2},
                                                       {"dpm2_ancestral", {}, 2},
                                                       {"dpmpp2s_ancestral", {}, 2},
                                                       {"dpmpp_sde", {}, 2},
                                                       {"dpmpp1m_sde", {}, 1},
                                                       {"dpmpp2m_sde", {}, 2},
                                                       {"dpmpp2m_sde_heun", {}, 2},
                                                       {"dpmpp2m_sde", {.eta = 0.4}, 2},
                                                       {"dpmpp3m_sde", {}, 2}}));
  INFO(name);
  const double s = 0.5, truth = s * s + 0.1 * 0.1;
  const Solver solver = parse_solver(name, options);
  const auto error = [&](int64_t n) { return std::abs(variance_after(solver, s, levels(n)) / truth - 1); };
  const double coarse = error(200), fine = error(400);
  CHECK(fine < (order == 1 ? 0.02 : 2.5e-4));
  CHECK(std::log2(coarse / fine) == Approx(order).margin(0.15));
}

TEST_CASE("the scale of the noise scales every draw") {
  const double s = 0.5;
  const auto variance = [&](const std::string& name, double scale) {
    return variance_after(parse_solver(name, {.noise_scale = scale}), s, {2, 1});
  };
  for (const std::string name : {"euler_ancestral", "dpmpp2m_sde", "dpmpp_sde"}) {
    INFO(name);
    const double without = variance(name, 0), drawn = variance(name, 1) - without;
    CHECK(drawn > 0.1);
    CHECK(variance(name, 1.5) == Approx(without + 2.25 * drawn));
  }
}

TEST_CASE("a stochastic solver without noise at hand is refused") {
  const Denoise half = [](const at::Tensor& x, double) { return 0.5 * x; };
  const at::Tensor x = at::ones({1}, at::kDouble);
  for (const std::string name : {"euler_ancestral", "dpmpp2m_sde", "renoise", "dpmpp_sde"})
    CHECK_THROWS_WITH(integrate(parse_solver(name), half, x, {2, 1, 0}), Contains("needs a stream of noise"));
  CHECK_THROWS_WITH(integrate(parse_solver("heun", {.churn = 1.0}), half, x, {2, 1, 0}),
                    Contains("needs a stream of noise"));
}
