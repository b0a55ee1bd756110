// SPDX-License-Identifier: Apache-2.0
// Step-by-step parity with reference implementations, all in float64: tolerance 1e-9 relative.
#include <ATen/ops/stack.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "noise/sigma_grid.h"
#include "samplers/toys.h"

using namespace onestep;

namespace {

constexpr double kTolerance = 1e-9;

/// Every state and noise level that a denoiser is asked for.
struct Calls {
  std::vector<at::Tensor> x;
  std::vector<double> sigma;
};

Denoise recorded(const Denoise& denoise, Calls& calls) {
  return [&calls, denoise](const at::Tensor& x, double sigma) {
    calls.x.push_back(x);
    calls.sigma.push_back(sigma);
    return denoise(x, sigma);
  };
}

/// The run makes the reference's calls one by one and ends where the reference ends.
void check_run(const Solver& solver, const io::TensorFile& file, const at::Tensor& start,
               const std::vector<double>& sigmas) {
  Calls calls;
  const at::Tensor end =
      integrate(solver, recorded(toys::denoise_of(toys::mixture_of(file)), calls), start, sigmas);
  CHECK(toys::relative_error(end, file.at("final")) < kTolerance);
  REQUIRE(calls.x.size() == static_cast<size_t>(file.at("call_x").size(0)));
  for (size_t i = 0; i < calls.x.size(); ++i) {
    INFO("call " << i);
    CHECK(calls.sigma[i] == Approx(file.at("call_sigma")[i].item<double>()).epsilon(1e-12));
    CHECK(toys::relative_error(calls.x[i], file.at("call_x")[i]) < kTolerance);
  }
}

}  // namespace

TEST_CASE("Heun makes the EDM sampler's calls") {
  const int64_t n = GENERATE(6, 10, 18);
  const io::TensorFile file = toys::golden("edm_heun_n" + std::to_string(n));
  const std::vector<double> sigmas = karras_grid(n, 0.002, 80, 7);
  check_run(Heun{}, file, sigmas[0] * file.at("latents"), sigmas);
}

TEST_CASE("Euler makes k-diffusion's calls") {
  const int64_t n = GENERATE(6, 10, 18);
  const io::TensorFile file = toys::golden("kdiff_euler_n" + std::to_string(n));
  check_run(Euler{}, file, file.at("x_init"), toys::numbers(file.at("sigmas")));
  check_run(HeavyBall{1, 1.0}, file, file.at("x_init"), toys::numbers(file.at("sigmas")));
}

TEST_CASE("the heavy ball mixes slopes as the momentum paper's code does") {
  const io::TensorFile file = toys::golden("momentum_mixer");
  const auto orders = nlohmann::json::parse(file.metadata.at("case")).at("orders");
  int cases = 0;
  for (const auto& [name, order] : orders.items()) {
    if (order.at("method") != "hb") continue;
    INFO(name);
    const HeavyBall solver{order.at("k"), order.at("beta")};
    History history;
    std::vector<at::Tensor> applied, velocity;
    for (const at::Tensor& d : file.at("slopes").unbind()) {
      applied.push_back(mix(solver, d, history));
      velocity.push_back(history.velocity);
    }
    CHECK(toys::relative_error(at::stack(applied), file.at(name + "/applied")) < kTolerance);
    CHECK(toys::relative_error(at::stack(velocity), file.at(name + "/velocity")) < kTolerance);
    // The paper's single number means the same order and beta here.
    const Solver named = parse_solver("hb" + name.substr(3));
    CHECK(std::get<HeavyBall>(named).order == solver.order);
    CHECK(std::get<HeavyBall>(named).beta == Approx(solver.beta).epsilon(1e-14));
    ++cases;
  }
  CHECK(cases == 14);
}

TEST_CASE("the heavy ball's states are the momentum paper's, with a plain last step") {
  const io::TensorFile file = toys::golden("momentum_plms_n10");
  const auto orders = nlohmann::json::parse(file.metadata.at("case")).at("orders");
  const std::vector<double> sigmas = toys::numbers(file.at("sigmas"));
  for (const auto& [name, order] : orders.items()) {
    if (order.at("method") != "hb") continue;
    INFO(name);
    const HeavyBall solver{order.at("k"), order.at("beta")};
    Calls calls;
    const at::Tensor end = integrate(solver, recorded(toys::denoise_of(toys::mixture_of(file)), calls),
                                     file.at("x_init"), sigmas);
    CHECK(toys::relative_error(end, file.at(name + "/final_euler")) < kTolerance);
    for (size_t i = 1; i < calls.x.size(); ++i)  // the state after step i is what the next call sees
      CHECK(toys::relative_error(calls.x[i], file.at(name + "/states")[i - 1]) < kTolerance);
  }
}
