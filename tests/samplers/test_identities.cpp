// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "io/numerical_error.h"
#include "noise/sigma_grid.h"
#include "samplers/seeds.h"
#include "samplers/solver_names.h"
#include "samplers/toys.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

const std::vector<std::string> kDeterministic{
    "euler",       "heun",    "midpoint", "ralston",       "dpm2",          "dpmpp2s",      "ab2",
    "ab4",         "plms",    "ab5",      "lms3",          "lms4",          "deis3",        "deis4",
    "dpmpp2m",     "dpmpp3m", "unip2",    "unipc1",        "unipc2",        "unipc3",       "unipc2_bh1",
    "hb0.8",       "hb3.8",   "nt3.5",    "ghvb1.8",       "ghvb3.8",       "lms4_hb0.8",   "lms4_ghvb0.8",
    "deis3_nt0.8", "ab1",     "unip3",    "dpmpp2m_hb0.8", "dpmpp2m_nt0.8", "unipc2_hb0.8", "dpmpp2m_heun"};
const std::vector<std::string> kStochastic{
    "euler_ancestral", "heun_ancestral",   "dpm2_ancestral", "dpmpp2s_ancestral", "euler_sde",
    "dpmpp2m_sde",     "dpmpp2m_sde_heun", "dpmpp3m_sde",    "dpmpp_sde",         "renoise"};

std::vector<std::string> all_solvers() {
  std::vector<std::string> all = kDeterministic;
  all.insert(all.end(), kStochastic.begin(), kStochastic.end());
  return all;
}

/// Rows of an odd length, so that rows of a batch meet vector instructions in all alignments.
at::Tensor odd_latents(int64_t count) {
  return latents_from_seeds(consecutive_seeds(0, count), {1, 1, 5}).to(at::kDouble).reshape({count, 5});
}

GaussianMixture odd_mixture() {
  const at::Tensor means = latents_from_seeds({1000, 1001, 1002}, {1, 1, 5}).to(at::kDouble);
  return {at::tensor({0.2, 0.3, 0.5}, at::kDouble), means, 0.3 + 0.1 * means.abs()};
}

/// With the noise of seeds first, first + 1, …
at::Tensor run(const std::string& solver, const Denoise& denoise, const at::Tensor& start,
               const std::vector<double>& sigmas, int64_t first_seed = 0, int64_t steps_done = 0) {
  History history;
  history.step = steps_done;
  history.noise = [&](int64_t step, int64_t draw) {
    return noise_from_seeds(consecutive_seeds(first_seed, start.size(0)), step, draw, start.sizes().slice(1))
        .to(at::kDouble);
  };
  return integrate(parse_solver(solver), denoise, start, sigmas, history);
}

at::Tensor run_of_18(const std::string& solver) {
  return run(solver, toys::denoise_of(odd_mixture()), 80 * odd_latents(3), sigma_grid({}, 18));
}

}  // namespace

TEST_CASE("beta = 1 is the method without momentum, bit for bit") {
  const auto [momentum, base] = GENERATE(table<std::string, std::string>({{"hb1", "ab1"},
                                                                          {"hb2", "ab2"},
                                                                          {"hb4", "ab4"},
                                                                          {"hb5", "ab5"},
                                                                          {"nt4", "ab4"},
                                                                          {"nt5", "ab5"},
                                                                          {"ghvb2", "ab2"},
                                                                          {"ghvb4", "ab4"},
                                                                          {"ghvb5", "ab5"},
                                                                          {"ab3_hb1", "ab3"},
                                                                          {"lms4_hb1", "lms4"},
                                                                          {"lms4_nt1", "lms4"},
                                                                          {"lms4_ghvb1", "lms4"},
                                                                          {"deis3_hb1", "deis3"},
                                                                          {"deis3_ghvb1", "deis3"},
                                                                          {"dpmpp2m_hb1", "dpmpp2m"},
                                                                          {"dpmpp2m_nt1", "dpmpp2m"},
                                                                          {"dpmpp3m_hb1", "dpmpp3m"},
                                                                          {"unipc2_hb1", "unipc2"},
                                                                          {"unip3_hb1", "unip3"}}));
  INFO(momentum);
  CHECK(at::equal(run_of_18(momentum), run_of_18(base)));
}

TEST_CASE("momentum by its two spellings, and the generalised one of first order, are the same") {
  const auto [a, b] = GENERATE(table<std::string, std::string>({{"ghvb0.8", "hb0.8"},
                                                                {"ghvb0.3", "hb0.3"},
                                                                {"ab4_hb0.8", "hb3.8"},
                                                                {"ab4_nt0.8", "nt3.8"},
                                                                {"ab4_ghvb0.8", "ghvb3.8"},
                                                                {"lms1_ghvb0.8", "lms1_hb0.8"},
                                                                {"lms1_hb0.8", "hb0.8"}}));
  INFO(a);
  CHECK(at::equal(run_of_18(a), run_of_18(b)));
}

TEST_CASE("momentum is felt") {
  for (const std::string name : {"hb3.8", "nt3.8", "ghvb3.8"})
    CHECK(toys::relative_error(run_of_18(name), run_of_18("ab4")) > 1e-4);
  CHECK(toys::relative_error(run_of_18("dpmpp2m_hb0.8"), run_of_18("dpmpp2m")) > 1e-4);
  CHECK(toys::relative_error(run_of_18("lms4_ghvb0.8"), run_of_18("lms4")) > 1e-4);
  CHECK(toys::relative_error(run_of_18("unipc2_hb0.8"), run_of_18("unipc2")) > 1e-4);
}

TEST_CASE("momentum on images begins with the second step, on slopes with the first") {
  // The step to 0 is Euler's: of three steps two are a solver's own, and v starts as the first of its kind.
  const auto run_of = [](const std::string& solver, int64_t steps) {
    return run(solver, toys::denoise_of(odd_mixture()), 80 * odd_latents(3), sigma_grid({}, steps));
  };
  for (const std::string images : {"dpmpp2m", "unip2", "unipc2"}) {
    INFO(images);
    CHECK(at::equal(run_of(images + "_hb0.8", 3), run_of(images, 3)));
    CHECK_FALSE(at::equal(run_of(images + "_hb0.8", 4), run_of(images, 4)));
  }
  CHECK(at::equal(run_of("hb1.8", 2), run_of("ab2", 2)));
  CHECK_FALSE(at::equal(run_of("hb1.8", 3), run_of("ab2", 3)));
}

TEST_CASE("at first order all methods are Euler's") {
  for (const std::string bitwise : {"ddim", "dpmpp1s", "ab1", "lms1", "hb1", "nt1", "ghvb1"})
    CHECK(at::equal(run_of_18(bitwise), run_of_18("euler")));
  for (const std::string rounded : {"deis1", "unip1", "dpmpp1m"})
    CHECK(toys::relative_error(run_of_18(rounded), run_of_18("euler")) < 1e-13);
}

TEST_CASE("second-order rules in two families are the same") {
  // UniP-2 with B₂ is DPM-Solver++(2M); with the exact moment it is the latter's other choice.
  CHECK(toys::relative_error(run_of_18("unip2"), run_of_18("dpmpp2m")) < 1e-12);
  CHECK(toys::relative_error(run_of_18("unip2_heun"), run_of_18("dpmpp2m_heun")) < 1e-12);
}

TEST_CASE("a constant slope is exact for every method") {
  const at::Tensor c = at::tensor({1.25, -3.5}, at::kDouble), start = at::tensor({2.0, 7.0}, at::kDouble);
  const Denoise straight = [&](const at::Tensor& x, double sigma) { return x - sigma * c; };
  for (const std::string& name : kDeterministic) {
    INFO(name);
    std::vector<double> sigmas = sigma_grid({"karras", 0.01, 10, {}, {}}, 12);
    CHECK(toys::relative_error(run(name, straight, start, sigmas), start - 10 * c) < 1e-13);
    sigmas.pop_back();
    CHECK(toys::relative_error(run(name, straight, start, sigmas), start - 9.99 * c) < 1e-13);
  }
}

TEST_CASE("a constant image is exact for every method") {
  const at::Tensor image = at::tensor({1.25, -3.5}, at::kDouble), start = at::tensor({2.0, 7.0}, at::kDouble);
  const Denoise same = [&](const at::Tensor&, double) { return image; };
  for (const std::string& name : kDeterministic) {
    INFO(name);
    std::vector<double> sigmas = sigma_grid({"karras", 0.01, 10, {}, {}}, 12);
    CHECK(at::equal(run(name, same, start, sigmas), image));
    sigmas.pop_back();
    CHECK(toys::relative_error(run(name, same, start, sigmas), image + 0.001 * (start - image)) < 1e-13);
  }
}

TEST_CASE("one step is D(x; sigma), finite, for every solver on every grid") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  std::vector<std::string> solvers = all_solvers();
  solvers.push_back("one_step");
  for (const std::string& grid : sigma_grid_names()) {
    const std::vector<double> sigmas = sigma_grid({.rule = grid}, 1);
    REQUIRE(sigmas.size() == 2);
    const at::Tensor start = sigmas[0] * odd_latents(4);
    const at::Tensor expected = denoise(start, sigmas[0]);
    CHECK(at::isfinite(expected).all().item<bool>());
    for (const std::string& name : solvers) {
      INFO(name << " on " << grid);
      CHECK(at::equal(run(name, denoise, start, sigmas), expected));
    }
  }
}

TEST_CASE("a sample does not depend on the batch it is in") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  const std::vector<double> sigmas = sigma_grid({}, 8);
  const at::Tensor start = 80 * odd_latents(23);
  for (const std::string& name : all_solvers()) {
    INFO(name);
    const at::Tensor whole = run(name, denoise, start, sigmas);
    for (const int64_t batch : {1, 7}) {
      std::vector<at::Tensor> parts;
      for (int64_t i = 0; i < 23; i += batch)
        parts.push_back(run(name, denoise, start.slice(0, i, i + batch), sigmas, i));
      CHECK(at::equal(at::cat(parts), whole));
    }
  }
}

TEST_CASE("nothing is kept between runs") {
  for (const std::string& name : all_solvers()) {
    INFO(name);
    CHECK(at::equal(run_of_18(name), run_of_18(name)));
  }
}

TEST_CASE("a run of single steps that is cut and continued is the whole run") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  const std::vector<double> sigmas = sigma_grid({}, 12);
  const std::vector<double> upper(sigmas.begin(), sigmas.begin() + 6),
      lower(sigmas.begin() + 5, sigmas.end());
  const at::Tensor start = 80 * odd_latents(3);
  for (const std::string name : {"euler", "heun", "dpm2", "dpmpp2s", "euler_ancestral", "heun_ancestral",
                                 "dpm2_ancestral", "euler_sde", "dpmpp_sde", "renoise"}) {
    INFO(name);
    const at::Tensor halfway = run(name, denoise, start, upper);
    CHECK(at::equal(run(name, denoise, halfway, lower, 0, 5), run(name, denoise, start, sigmas)));
  }
}

TEST_CASE("a number that is not finite is reported with its step and sigma") {
  int64_t calls = 0;
  const double bad =
      GENERATE(std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity());
  const Denoise breaks = [&](const at::Tensor& x, double) {
    return ++calls == 5 ? at::full_like(x, bad) : 0.5 * x;
  };
  const at::Tensor start = at::ones({2, 3}, at::kDouble);
  const std::vector<double> sigmas{8, 4, 2, 1, 0.5, 0};
  CHECK_THROWS_AS(integrate({Euler{}}, breaks, start, sigmas), NumericalError);
  for (const auto& [solver, place] :
       std::vector<std::pair<std::string, std::string>>{{"euler", "at step 5 of 5, sigma 0.5"},
                                                        {"heun", "at step 3 of 5, sigma 2"},
                                                        {"unipc2", "at step 5 of 5, sigma 0.5"},
                                                        {"dpmpp_sde", "at step 3 of 5, sigma 2"}}) {
    calls = 0;
    CHECK_THROWS_WITH(run(solver, breaks, start, sigmas), Contains(place));
  }
  calls = 0;
  CHECK_THROWS_WITH(run("euler", breaks, start, sigmas, 0, 7), Contains("at step 12 of 12, sigma 0.5"));
}

TEST_CASE("the watch sees the first call of each step") {
  std::vector<std::pair<int64_t, double>> seen;
  const Denoise half = [](const at::Tensor& x, double) { return 0.5 * x; };
  const at::Tensor x = at::full({1}, 8, at::kDouble);
  integrate({Heun{}}, half, x, {8, 4, 0}, {}, [&](int64_t step, double sigma, const at::Tensor& denoised) {
    seen.emplace_back(step, sigma);
    if (step == 1) CHECK(denoised.item<double>() == 4);
  });
  CHECK((seen == std::vector<std::pair<int64_t, double>>{{1, 8}, {2, 4}}));
}

TEST_CASE("grids and states that make no sense are refused") {
  const Denoise half = [](const at::Tensor& x, double) { return 0.5 * x; };
  const at::Tensor x = at::ones({1}, at::kDouble);
  const Solver euler{Euler{}};
  CHECK_THROWS_WITH(integrate(euler, half, x, {1}), Contains("at least two values, got 1"));
  CHECK_THROWS_WITH(integrate(euler, half, x, {1, 1, 0}), Contains("1 is followed by 1"));
  CHECK_THROWS_WITH(integrate(euler, half, x, {1, 2, 0}), Contains("1 is followed by 2"));
  CHECK_THROWS_WITH(integrate(euler, half, x, {1, -1}), Contains("not negative, got -1"));
  CHECK_THROWS_WITH(integrate(euler, half, x, {std::nan(""), 0}), Contains("finite"));
  CHECK_THROWS_WITH(integrate(euler, half, x.to(at::kFloat), {1, 0}), Contains("must be float64"));
  CHECK_THROWS_WITH(integrate({OneStep{}}, half, x, {2, 1, 0}), Contains("not from 2 to 1"));
}

TEST_CASE("solvers put together wrongly are refused") {
  const Denoise half = [](const at::Tensor& x, double) { return 0.5 * x; };
  const at::Tensor x = at::ones({1}, at::kDouble);
  const auto with_beta = [](double beta) {
    return Multistep{.momentum = {Momentum::Kind::heavy_ball, beta}};
  };
  for (const double beta : {0.0, -1.0, 1.5, std::nan("")})
    CHECK_THROWS_WITH(integrate({with_beta(beta)}, half, x, {2, 1, 0}), Contains("beta must be in (0, 1]"));
  CHECK_THROWS_WITH(integrate({Multistep{}, Ancestral{}}, half, x, {2, 1, 0}), Contains("stale noise"));
  CHECK_THROWS_WITH(integrate({Multistep{}, Churn{1}}, half, x, {2, 1, 0}), Contains("stale noise"));
  CHECK_THROWS_WITH(integrate({UniPC{}, Ancestral{}}, half, x, {2, 1, 0}), Contains("stale noise"));
  CHECK_THROWS_WITH(integrate({Heun{}, Renoise{}}, half, x, {2, 1, 0}), Contains("no other solver"));
  CHECK_THROWS_WITH(integrate({Multistep{.order = 0}}, half, x, {2, 1, 0}), Contains("order must be 1 to 5"));
}
