// SPDX-License-Identifier: Apache-2.0
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
#include "samplers/toys.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

const std::vector<std::string> kSolvers{"euler", "heun", "hb0.8", "hb2", "hb4", "hb5", "hb3.8", "hb1.2"};

/// Rows of an odd length, so that rows of a batch meet vector instructions in all alignments.
at::Tensor odd_latents(int64_t count) {
  return latents_from_seeds(consecutive_seeds(0, count), {1, 1, 5}).to(at::kDouble).reshape({count, 5});
}

GaussianMixture odd_mixture() {
  const at::Tensor means = latents_from_seeds({1000, 1001, 1002}, {1, 1, 5}).to(at::kDouble);
  return {at::tensor({0.2, 0.3, 0.5}, at::kDouble), means, 0.3 + 0.1 * means.abs()};
}

}  // namespace

TEST_CASE("weights sum to one, and a short history lowers the order") {
  const at::Tensor one = at::ones({1}, at::kDouble);
  for (int64_t order = 1; order <= kMaxOrder; ++order) {
    CHECK(adams_bashforth(std::vector<at::Tensor>(5, one), order).item<double>() == Approx(1).epsilon(1e-15));
  }
  // 3/2 · 10 − 1/2 · 4, whatever the order asked for.
  CHECK(adams_bashforth({10 * one, 4 * one}, 5).item<double>() == 13);
  CHECK_THROWS_WITH(adams_bashforth({one}, 6), Contains("order must be 1 to 5, got 6"));
  CHECK_THROWS_WITH(adams_bashforth({}, 1), Contains("at least one slope"));
}

TEST_CASE("a constant slope is exact for every solver") {
  const at::Tensor c = at::tensor({1.25, -3.5}, at::kDouble), start = at::tensor({2.0, 7.0}, at::kDouble);
  const Denoise straight = [&](const at::Tensor& x, double sigma) { return x - sigma * c; };
  for (const std::string& name : kSolvers) {
    INFO(name);
    std::vector<double> sigmas = karras_grid(12, 0.01, 10, 7);
    CHECK(toys::relative_error(integrate(parse_solver(name), straight, start, sigmas), start - 10 * c) <
          1e-13);
    sigmas.pop_back();
    CHECK(toys::relative_error(integrate(parse_solver(name), straight, start, sigmas), start - 9.99 * c) <
          1e-13);
  }
}

TEST_CASE("beta = 1 is the Adams–Bashforth method, bit for bit") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  const std::vector<double> sigmas = karras_grid(18, 0.002, 80, 7);
  const at::Tensor start = 80 * odd_latents(3);
  for (int64_t order = 1; order <= kMaxOrder; ++order) {
    at::Tensor x = start;
    std::vector<at::Tensor> slopes;
    for (size_t i = 0; i + 2 < sigmas.size(); ++i) {
      slopes.insert(slopes.begin(), slope(denoise, x, sigmas[i]));
      x = x + (sigmas[i + 1] - sigmas[i]) * adams_bashforth(slopes, order);
    }
    x = denoise(x, sigmas[17]);
    CHECK(at::equal(integrate(HeavyBall{order, 1.0}, denoise, start, sigmas), x));
    if (order == 1) CHECK(at::equal(integrate(Euler{}, denoise, start, sigmas), x));
  }
}

TEST_CASE("one step is D(x; sigma), finite, for every solver") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  const at::Tensor start = 80 * odd_latents(4);
  const std::vector<double> sigmas = karras_grid(1, 0.002, 80, 7);
  CHECK(at::isfinite(denoise(start, 80)).all().item<bool>());
  CHECK(at::equal(integrate(OneStep{}, denoise, start, sigmas), denoise(start, 80)));
  for (const std::string& name : kSolvers) {
    CHECK(at::equal(integrate(parse_solver(name), denoise, start, sigmas), denoise(start, 80)));
  }
}

TEST_CASE("a sample does not depend on the batch it is in") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  const std::vector<double> sigmas = karras_grid(10, 0.002, 80, 7);
  const at::Tensor start = 80 * odd_latents(23);
  for (const std::string& name : kSolvers) {
    INFO(name);
    const at::Tensor whole = integrate(parse_solver(name), denoise, start, sigmas);
    for (const int64_t batch : {1, 7}) {
      std::vector<at::Tensor> parts;
      for (const at::Tensor& part : start.split(batch))
        parts.push_back(integrate(parse_solver(name), denoise, part, sigmas));
      CHECK(at::equal(at::cat(parts), whole));
    }
  }
}

TEST_CASE("a run cut in two and continued with its history is the whole run") {
  const Denoise denoise = toys::denoise_of(odd_mixture());
  const std::vector<double> sigmas = karras_grid(12, 0.002, 80, 7);
  const std::vector<double> upper(sigmas.begin(), sigmas.begin() + 6),
      lower(sigmas.begin() + 5, sigmas.end());
  const at::Tensor start = 80 * odd_latents(3);
  const at::Tensor halfway = integrate(Heun{}, denoise, start, upper);
  CHECK(at::equal(integrate(Heun{}, denoise, halfway, lower), integrate(Heun{}, denoise, start, sigmas)));
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
  CHECK_THROWS_AS(integrate(Euler{}, breaks, start, sigmas), NumericalError);
  calls = 0;
  CHECK_THROWS_WITH(integrate(Euler{}, breaks, start, sigmas), Contains("at step 5 of 5, sigma 0.5"));
  calls = 0;
  CHECK_THROWS_WITH(integrate(Heun{}, breaks, start, sigmas), Contains("at step 3 of 5, sigma 2"));
}

TEST_CASE("grids and states that make no sense are refused") {
  const Denoise half = [](const at::Tensor& x, double) { return 0.5 * x; };
  const at::Tensor x = at::ones({1}, at::kDouble);
  CHECK_THROWS_WITH(integrate(Euler{}, half, x, {1}), Contains("at least two values, got 1"));
  CHECK_THROWS_WITH(integrate(Euler{}, half, x, {1, 1, 0}), Contains("1 is followed by 1"));
  CHECK_THROWS_WITH(integrate(Euler{}, half, x, {1, 2, 0}), Contains("1 is followed by 2"));
  CHECK_THROWS_WITH(integrate(Euler{}, half, x, {1, -1}), Contains("not negative, got -1"));
  CHECK_THROWS_WITH(integrate(Euler{}, half, x, {std::nan(""), 0}), Contains("finite"));
  CHECK_THROWS_WITH(integrate(Euler{}, half, x.to(at::kFloat), {1, 0}), Contains("must be float64"));
  CHECK_THROWS_WITH(integrate(OneStep{}, half, x, {2, 1, 0}), Contains("not from 2 to 1"));
  CHECK_THROWS_WITH(integrate(HeavyBall{4, 0.0}, half, x, {2, 1, 0}),
                    Contains("beta must be in (0, 1], got 0"));
}
