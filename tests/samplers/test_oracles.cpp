// SPDX-License-Identifier: Apache-2.0
// Step-by-step parity with reference implementations, all in float64: tolerance 1e-9 relative.
#include <set>

#include <ATen/ops/stack.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "noise/sigma_grid.h"
#include "on_devices.h"
#include "samplers/solver_names.h"
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

/// The run makes the reference's calls one by one.
Calls check_calls(const Solver& solver, const io::TensorFile& file, const at::Tensor& start,
                  const std::vector<double>& sigmas, const Noise& noise, at::Tensor& end) {
  Calls calls;
  History history;
  history.noise = noise;
  end = integrate(solver, recorded(toys::denoise_of(toys::mixture_of(file)), calls), start, sigmas, history);
  REQUIRE(calls.x.size() == static_cast<size_t>(file.at("call_x").size(0)));
  for (size_t i = 0; i < calls.x.size(); ++i) {
    INFO("call " << i);
    // iDDPM's lowest levels lose digits in the reference: tests/noise.
    CHECK(calls.sigma[i] == Approx(file.at("call_sigma")[i].item<double>()).epsilon(3e-12));
    CHECK(toys::relative_error(calls.x[i], file.at("call_x")[i]) < kTolerance);
  }
  return calls;
}

/// … and ends where the reference ends.
void check_run(const Solver& solver, const io::TensorFile& file, const at::Tensor& start,
               const std::vector<double>& sigmas, const Noise& noise = {}) {
  at::Tensor end;
  check_calls(solver, file, start, sigmas, noise, end);
  CHECK(toys::relative_error(end, file.at("final")) < kTolerance);
}

/// The reference's noise of each step, as many draws a step as it has.
Noise recorded_noise(const io::TensorFile& file) {
  if (!file.has("noise")) return {};
  return [noise = file.at("noise")](int64_t step, int64_t) { return noise[step - 1]; };
}

struct Reference {
  std::string file, solver;
  SolverOptions options = {};
};

}  // namespace

DEVICE_TEST_CASE("k-diffusion's samplers, call by call", "[samplers]") {
  const SolverOptions churn{.noise_scale = 1.003, .churn = 20, .churn_min = 0.05, .churn_max = 40};
  const Reference reference = GENERATE_COPY(values<Reference>({
      {"euler_n6", "euler"},
      {"euler_n10", "euler"},
      {"euler_n18", "euler"},
      {"euler_n18", "ddim"},
      {"euler_n18", "dpmpp1s"},
      {"euler_n18", "dpmpp1m"},
      {"euler_n18", "unip1"},
      {"euler_n18", "ab1"},
      {"euler_n18", "lms1"},
      {"euler_n18", "deis1"},
      {"heun_n6", "heun"},
      {"heun_n10", "heun"},
      {"heun_n18", "heun"},
      {"dpm_2_n6", "dpm2"},
      {"dpm_2_n10", "dpm2"},
      {"dpm_2_n18", "dpm2"},
      {"euler_churn_n10", "euler", churn},
      {"heun_churn_n10", "heun", churn},
      {"dpm_2_churn_n10", "dpm2", churn},
      {"euler_ancestral_n10", "euler_ancestral"},
      {"euler_ancestral_n18", "euler_ancestral"},
      {"euler_ancestral_eta_n10", "euler_ancestral", {.eta = 0.4, .noise_scale = 1.01}},
      {"dpm_2_ancestral_n10", "dpm2_ancestral"},
      {"dpm_2_ancestral_n18", "dpm2_ancestral"},
      {"dpmpp_2s_ancestral_n10", "dpmpp2s_ancestral"},
      {"dpmpp_2s_ancestral_n18", "dpmpp2s_ancestral"},
      {"dpmpp_2s_ancestral_eta_n10", "dpmpp2s_ancestral", {.eta = 0.4}},
      {"dpmpp_2m_n6", "dpmpp2m"},
      {"dpmpp_2m_n10", "dpmpp2m"},
      {"dpmpp_2m_n18", "dpmpp2m"},
      {"dpmpp_2m_exponential_n10", "dpmpp2m"},
      {"dpmpp_2m_sde_n10", "dpmpp2m_sde"},
      {"dpmpp_2m_sde_n18", "dpmpp2m_sde"},
      {"dpmpp_2m_sde_heun_eta_n10", "dpmpp2m_sde_heun", {.eta = 0.4}},
      {"dpmpp_3m_sde_n10", "dpmpp3m_sde"},
      {"dpmpp_3m_sde_n18", "dpmpp3m_sde"},
      {"dpmpp_3m_sde_eta_n10", "dpmpp3m_sde", {.eta = 0.4}},
  }));
  INFO(reference.file << " as " << reference.solver);
  const io::TensorFile file = toys::golden("kdiff_" + reference.file, device);
  check_run(parse_solver(reference.solver, reference.options), file, file.at("x_init"),
            toys::numbers(file.at("sigmas")), recorded_noise(file));
}

TEST_CASE("k-diffusion's linear multistep method, with a plain last step") {
  const auto [name, solver] = GENERATE(table<std::string, std::string>({{"lms_n6", "lms4"},
                                                                        {"lms_n10", "lms4"},
                                                                        {"lms_n18", "lms4"},
                                                                        {"lms1_n10", "lms1"},
                                                                        {"lms2_n10", "lms2"},
                                                                        {"lms3_n10", "lms3"},
                                                                        {"lms_exponential_n10", "lms4"}}));
  INFO(name);
  const io::TensorFile file = toys::golden("kdiff_" + name);
  const std::vector<double> sigmas = toys::numbers(file.at("sigmas"));
  at::Tensor end;
  const Calls calls = check_calls(parse_solver(solver), file, file.at("x_init"), sigmas, {}, end);
  CHECK(toys::relative_error(end, file.at("call_denoised")[-1]) < kTolerance);
  // The reference extrapolates to 0, too: the same weights, asked for that step.
  const Multistep lms = std::get<Multistep>(parse_solver(solver).method);
  History history;
  for (size_t i = 0; i < calls.x.size(); ++i)
    remember(history, (calls.x[i] - file.at("call_denoised")[i]) / sigmas[i], sigmas[i]);
  const double last = sigmas[sigmas.size() - 2];
  const at::Tensor extrapolated = calls.x.back() - last * mix(lms, 1, 0, history);
  CHECK(toys::relative_error(extrapolated, file.at("final")) < kTolerance);
}

TEST_CASE("k-diffusion's SDE-DPM-Solver++ of single steps") {
  const int64_t n = GENERATE(10, 18);
  const io::TensorFile file = toys::golden("kdiff_dpmpp_sde_n" + std::to_string(n));
  const std::vector<double> sigmas = toys::numbers(file.at("sigmas"));
  // Two draws a step, the second over the whole of it; ours is over what the first leaves.
  const Noise noise = [&](int64_t step, int64_t draw) {
    const at::Tensor early = file.at("noise")[2 * step - 2], whole = file.at("noise")[2 * step - 1];
    if (draw == 0) return early;
    const double from = sigmas[step - 1], to = sigmas[step], middle = std::sqrt(from * to);
    return (std::sqrt(from - to) * whole - std::sqrt(from - middle) * early) / std::sqrt(middle - to);
  };
  check_run(parse_solver("dpmpp_sde"), file, file.at("x_init"), sigmas, noise);
}

TEST_CASE("diffusers' DPM-Solver++ and UniPC, state by state") {
  const auto [name, solver] = GENERATE(table<std::string, std::string>({{"dpmpp_1m_midpoint", "dpmpp1m"},
                                                                        {"dpmpp_2m_midpoint", "dpmpp2m"},
                                                                        {"dpmpp_2m_heun", "dpmpp2m_heun"},
                                                                        {"dpmpp_3m_midpoint", "dpmpp3m"},
                                                                        {"unip2_bh2", "unip2"},
                                                                        {"unipc1_bh1", "unipc1_bh1"},
                                                                        {"unipc1_bh2", "unipc1"},
                                                                        {"unipc2_bh1", "unipc2_bh1"},
                                                                        {"unipc2_bh2", "unipc2"},
                                                                        {"unipc3_bh1", "unipc3_bh1"},
                                                                        {"unipc3_bh2", "unipc3"}}));
  const std::string n = GENERATE("_n10", "_n18");
  INFO(name << n);
  const io::TensorFile file = toys::golden("diffusers_" + name + n);
  Calls calls;
  const at::Tensor end =
      integrate(parse_solver(solver), recorded(toys::denoise_of(toys::mixture_of(file)), calls),
                file.at("x_init"), toys::numbers(file.at("sigmas")));
  CHECK(toys::relative_error(end, file.at("final")) < kTolerance);
  for (size_t i = 1; i < calls.x.size(); ++i) {
    INFO("step " << i);
    CHECK(toys::relative_error(calls.x[i], file.at("states")[i - 1]) < kTolerance);
  }
}

DEVICE_TEST_CASE("Heun makes the EDM sampler's calls", "[samplers]") {
  const int64_t n = GENERATE(6, 10, 18);
  const io::TensorFile file = toys::golden("edm_heun_n" + std::to_string(n), device);
  const std::vector<double> sigmas = sigma_grid({}, n);
  check_run({Heun{}}, file, sigmas[0] * file.at("latents"), sigmas);
}

TEST_CASE("… and its churn") {
  const io::TensorFile file = toys::golden("edm_heun_churn_n18");
  const SolverOptions churn{.noise_scale = 1.003, .churn = 40, .churn_min = 0.05, .churn_max = 50};
  const std::vector<double> sigmas = sigma_grid({}, 18);
  check_run(parse_solver("heun", churn), file, sigmas[0] * file.at("latents"), sigmas, recorded_noise(file));
}

TEST_CASE("EDM's second-order family, on its own and iDDPM's levels") {
  const auto [name, solver, grid] =
      GENERATE(table<std::string, std::string, std::string>({{"edm_linear_none_heun_3", "midpoint", "karras"},
                                                             {"edm_linear_none_heun_6", "ralston", "karras"},
                                                             {"iddpm_linear_none_heun_2", "heun", "iddpm"}}));
  INFO(name);
  const io::TensorFile file = toys::golden("edm_ablation_" + name);
  const std::vector<double> sigmas = sigma_grid({.rule = grid}, 10);
  check_run(parse_solver(solver), file, sigmas[0] * file.at("latents"), sigmas);
}

DEVICE_TEST_CASE("slopes are mixed as the momentum paper's code does", "[samplers]") {
  const io::TensorFile file = toys::golden("momentum_mixer", device);
  const auto orders = nlohmann::json::parse(file.metadata.at("case")).at("orders");
  std::map<std::string, int> cases;
  for (const auto& [name, order] : orders.items()) {
    INFO(name);
    const std::string method = order.at("method");
    // The paper's single number means the same order and beta here.
    const Multistep solver =
        std::get<Multistep>(parse_solver(method + name.substr(method.size() + 1)).method);
    CHECK(solver.order == order.at("k"));
    CHECK(solver.momentum.beta == Approx(order.at("beta").get<double>()).epsilon(1e-14));
    History history;
    std::vector<at::Tensor> applied, velocity;
    for (const at::Tensor& d : file.at("slopes").unbind()) {
      remember(history, d, 0);
      applied.push_back(mix(solver, 0, 0, history));
      velocity.push_back(history.velocities[0]);
    }
    CHECK(toys::relative_error(at::stack(applied), file.at(name + "/applied")) < kTolerance);
    CHECK(toys::relative_error(at::stack(velocity), file.at(name + "/velocity")) < kTolerance);
    ++cases[method];
  }
  CHECK(cases == std::map<std::string, int>{{"hb", 14}, {"nt", 14}, {"ghvb", 14}});
}

TEST_CASE("states are the momentum paper's, with a plain last step") {
  const io::TensorFile file = toys::golden("momentum_plms_n10");
  const auto orders = nlohmann::json::parse(file.metadata.at("case")).at("orders");
  const std::vector<double> sigmas = toys::numbers(file.at("sigmas"));
  for (const auto& [name, order] : orders.items()) {
    INFO(name);
    const std::string method = order.at("method");
    Calls calls;
    const at::Tensor end =
        integrate(parse_solver(method + name.substr(method.size() + 1)),
                  recorded(toys::denoise_of(toys::mixture_of(file)), calls), file.at("x_init"), sigmas);
    CHECK(toys::relative_error(end, file.at(name + "/final_euler")) < kTolerance);
    for (size_t i = 1; i < calls.x.size(); ++i)  // the state after step i is what the next call sees
      CHECK(toys::relative_error(calls.x[i], file.at(name + "/states")[i - 1]) < kTolerance);
  }
}

TEST_CASE("DPM-Solver++(2M) with the paper's heavy ball on the extrapolated image") {
  const auto [n, beta] = GENERATE(table<int, std::string>(
      {{10, "1"}, {10, "0.9"}, {10, "0.8"}, {10, "0.5"}, {18, "1"}, {18, "0.9"}, {18, "0.8"}, {18, "0.5"}}));
  INFO(n << " steps, beta " << beta);
  const io::TensorFile file = toys::golden("momentum_dpmpp2m_hb_n" + std::to_string(n));
  const at::Tensor& states = file.at("beta" + beta + "/v0_second_order/states");
  Calls calls;
  const at::Tensor end =
      integrate(parse_solver("dpmpp2m_hb" + beta), recorded(toys::denoise_of(toys::mixture_of(file)), calls),
                file.at("x_init"), toys::numbers(file.at("sigmas")));
  CHECK(toys::relative_error(end, states[-1]) < kTolerance);
  for (size_t i = 1; i < calls.x.size(); ++i)
    CHECK(toys::relative_error(calls.x[i], states[i - 1]) < kTolerance);
}
