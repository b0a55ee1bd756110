// SPDX-License-Identifier: Apache-2.0
// The samplers of latent diffusion, call by call, as configurations of ours: what diffusers' schedulers and
// SiT's integrator are here. All in float64: tolerance 1e-9 relative, 1e-8 for the multistep rules in ln σ.
// Every file of tests/golden/samplers/latent is a case, and of the folder `latent` in ONESTEP_ORACLES where
// that is set.
#include <cstdlib>
#include <filesystem>
#include <set>

#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "samplers/sampler_config.h"
#include "samplers/toys.h"

using namespace onestep;

namespace {

using Json = nlohmann::json;

/// One reference run: its numbers and how it was set.
struct Case {
  io::TensorFile file;
  Json settings;
  Json kwargs = settings.value("kwargs", Json::object());
  int64_t steps = settings.at("steps");
  std::string name = settings.at("name");

  bool by(const std::string& reference) const {
    return settings.at("reference").get<std::string>().find(reference) != std::string::npos;
  }
  double number(const char* key, double otherwise) const { return kwargs.value(key, otherwise); }
  bool flag(const char* key, bool otherwise = false) const { return kwargs.value(key, otherwise); }
  bool uneven() const { return by("DDIM") && 1000 % steps != 0 && spacing("leading") == "trailing"; }
  std::string spacing(const char* otherwise) const {
    return kwargs.value("timestep_spacing", std::string(otherwise));
  }
};

std::vector<Case> cases() {
  std::vector<std::filesystem::path> folders{std::filesystem::path(ONESTEP_GOLDEN) / "samplers" / "latent"};
  if (const char* more = std::getenv("ONESTEP_ORACLES"))
    folders.push_back(std::filesystem::path(more) / "latent");
  std::vector<Case> list;
  std::set<std::string> names;
  for (const auto& folder : folders) {
    if (!std::filesystem::is_directory(folder)) continue;
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".safetensors") files.insert(entry.path());
    for (const auto& path : files) {
      const auto metadata = io::read_safetensors_metadata(path);
      const auto text = metadata.find("case");
      if (text == metadata.end()) continue;
      const Json settings = Json::parse(text->second);
      if (settings.value("kind", "") == "sampler" && names.insert(settings.at("name")).second)
        list.push_back({io::read_safetensors(path), settings});
    }
  }
  return list;
}

/// Why the reference runs something that is not here, or "".
std::string another_method(const Case& c) {
  if (c.by("Heun") || c.settings.value("method", "") == "heun2") return "Heun in the flow's own time";
  if (c.settings.value("path", "") == "GVP") return "steps in the time of a trigonometric path";
  const bool curve = c.flag("use_karras_sigmas") || c.flag("use_exponential_sigmas");
  if (curve && !c.by("Euler")) return "the network is told a rounded timestep, another level than the step's";
  return "";
}

SamplerConfig timesteps(const Case& c, const std::string& spacing, bool multistep) {
  SamplerConfig config{.steps = c.steps, .sigma_grid = spacing};
  const double left_out = multistep ? 1 : 0;
  if (spacing == "leading") config.grid_parameters = {c.number("steps_offset", 0), left_out};
  if (spacing == "linspace") config.grid_parameters = {left_out, c.by("Euler") ? 0. : 1.};
  return config;
}

SamplerConfig flow(const Case& c) {
  const Json set = c.settings.value("set_timesteps", Json::object());
  SamplerConfig config{.steps = c.steps, .sigma_grid = "flow", .start = "flow"};
  if (c.by("SiT")) {
    config.grid_parameters = {1, 0};
  } else if (c.by("DPMSolver")) {
    config.grid_parameters = {c.number("flow_shift", 1), 0, 0.999};
  } else {
    const double shift =
        c.flag("use_dynamic_shifting") ? std::exp(set.at("mu").get<double>()) : c.number("shift", 1);
    config.grid_parameters = set.contains("sigmas")
                                 ? std::vector<double>{shift, set.at("sigmas").back().get<double>()}
                                 : std::vector<double>{shift, 0.001, 1, 1};
  }
  return config;
}

/// The reference's run as a user would ask for it.
SamplerConfig config_of(const Case& c) {
  const bool multistep = c.by("DPMSolver") || c.by("UniPC");
  const std::string order = std::to_string(static_cast<int>(c.number("solver_order", 2)));
  if (c.by("FlowMatch") || c.by("SiT") || c.flag("use_flow_sigmas")) {
    SamplerConfig config = flow(c);
    config.solver = multistep ? "dpmpp" + order + "m" : c.flag("stochastic_sampling") ? "renoise" : "euler";
    return config;
  }
  if (c.by("LCM")) {
    SamplerConfig config{.solver = "renoise", .steps = c.steps, .sigma_grid = "lcm", .start = "vp"};
    config.grid_parameters = {c.number("original_inference_steps", 50)};
    return config;
  }
  if (c.by("DDIM") || c.by("PNDM")) {
    SamplerConfig config = timesteps(c, c.spacing("leading"), false);
    config.solver = c.by("PNDM") ? "plms" : "euler";
    config.last = c.flag("set_alpha_to_one", c.by("DDIM")) ? "zero" : "first_timestep";
    config.start = "vp";
    return config;
  }
  SamplerConfig config = timesteps(c, c.spacing("linspace"), multistep);
  for (const std::string curve : {"karras", "exponential"}) {
    if (!c.flag(("use_" + curve + "_sigmas").c_str())) continue;
    const std::vector<double> ends = sigmas_of(config);
    config = {.steps = c.steps, .sigma_grid = curve, .sigma_min = ends[c.steps - 1], .sigma_max = ends[0]};
  }
  config.solver = c.by("UniPC")       ? "unipc" + order
                  : multistep         ? "dpmpp" + order + "m"
                  : c.by("Ancestral") ? "euler_ancestral"
                                      : "euler";
  config.start = multistep || c.spacing("linspace") == "leading" ? "vp" : "scaled";
  if (c.kwargs.value("final_sigmas_type", std::string("zero")) == "sigma_min") config.last = "first_timestep";
  return config;
}

/// Latent consistency models mix their image with what they were given, at timestep t of it
/// c_skip x_t + c_out D, c_skip = ¼/((10t)² + ¼), c_out = 10t/√((10t)² + ¼): 4e-8 at t = 259. We leave it
/// out.
Denoise with_boundary(const Denoise& denoise, std::vector<double> timesteps) {
  return [denoise, timesteps, call = size_t{0}](const at::Tensor& x, double sigma) mutable {
    const double s = 10 * timesteps.at(call++), total = s * s + 0.25;
    return s / std::sqrt(total) * denoise(x, sigma) + 0.25 / total / std::sqrt(1 + sigma * sigma) * x;
  };
}

struct Calls {
  std::vector<at::Tensor> x;
  std::vector<double> sigma;
  at::Tensor end;
};

Calls run(const Case& c, const std::string& solver, const std::string& start,
          const std::vector<double>& sigmas) {
  Calls calls;
  Denoise denoise = toys::denoise_of(toys::mixture_of(c.file));
  if (c.by("LCM")) denoise = with_boundary(denoise, toys::numbers(c.file.at("timesteps")));
  History history;
  history.noise = [&](int64_t step, int64_t) { return c.file.at("noise")[step - 1]; };
  const Denoise recorded = [&](const at::Tensor& x, double sigma) {
    calls.x.push_back(x);
    calls.sigma.push_back(sigma);
    return denoise(x, sigma);
  };
  calls.end = integrate(parse_solver(solver), recorded, start_scale(start, sigmas[0]) * c.file.at("z"),
                        sigmas, history);
  calls.end = calls.end / end_scale(start, sigmas.back());
  return calls;
}

/// The reference's levels, ∞ where a flow begins at t = 1.
std::vector<double> expected_levels(const Case& c) {
  if (c.file.has("sigma_used")) return toys::numbers(c.file.at("sigma_used"));
  std::vector<double> levels;
  if (c.file.has("flow_times")) {
    for (const double t : toys::numbers(c.file.at("flow_times"))) levels.push_back(t / (1 - t));
  } else {
    for (const double t : toys::numbers(c.file.at("times"))) levels.push_back((1 - t) / t);
  }
  levels.pop_back();
  return levels;
}

/// The states at which D was asked for, those of pure noise being z.
at::Tensor expected_state(const Case& c, size_t i, double sigma) {
  if (c.file.has("states")) return c.file.at("states")[i];
  return c.file.at("states_native")[i] * (std::isinf(sigma) ? 1 : 1 + sigma);
}

}  // namespace

TEST_CASE("latent samplers, call by call") {
  std::set<std::string> met;
  for (const Case& c : cases()) {
    if (!another_method(c).empty() || c.uneven()) continue;
    met.insert(c.name);
    const SamplerConfig config = config_of(c);
    INFO(c.name << ": " << config::to_yaml(config));
    REQUIRE(config.problem().empty());
    const double tolerance =
        config.solver.starts_with("dpm") || config.solver.starts_with("uni") ? 1e-8 : 1e-9;
    std::vector<double> sigmas = sigmas_of(config);
    const std::vector<double> levels = expected_levels(c);
    const bool from_infinity = std::isinf(levels[0]);
    std::string solver = config.solver;
    const at::Tensor end = c.file.at("states_native")[-1];
    if (from_infinity) {
      // 1e6 stands for it, and costs 2e-6. Nearer to it the rest is the same, where Euler's step is written
      // without a difference of large numbers.
      REQUIRE(sigmas[0] == 1e6);
      CHECK(toys::relative_error(run(c, solver, config.start, sigmas).end, end) < 5e-6);
      sigmas[0] = 1e12;
      if (solver == "euler") solver = "dpmpp1m";
    }
    const Calls calls = run(c, solver, config.start, sigmas);
    REQUIRE(calls.x.size() == levels.size());
    for (size_t i = 0; i < levels.size(); ++i) {
      INFO("call " << i);
      const bool infinite = i == 0 && from_infinity;
      if (!infinite) CHECK(calls.sigma[i] == Approx(levels[i]).epsilon(1e-12));
      const at::Tensor x = infinite ? calls.x[0] / sigmas[0] : calls.x[i];
      CHECK(toys::relative_error(x, expected_state(c, i, levels[i])) < tolerance);
    }
    CHECK(toys::relative_error(calls.end, end) < tolerance);
  }
  CHECK(met.size() >= 20);
}

TEST_CASE("DDIM's steps are Euler's, also where its levels don't meet") {
  // With spacing trailing and N that does not divide 1000 a step aims at t − ⌊1000/N⌋, and the next begins
  // with the same x_t elsewhere. The grid is the same.
  std::set<std::string> met;
  const std::vector<double> levels = schedule_levels("sd");
  for (const Case& c : cases()) {
    if (!c.by("DDIM")) continue;
    INFO(c.name);
    met.insert(c.name);
    const std::vector<double> own = sigmas_of(config_of(c)), used = toys::numbers(c.file.at("sigma_used"));
    const std::vector<double> timesteps = toys::numbers(c.file.at("timesteps"));
    for (int64_t i = 0; i < c.steps; ++i) {
      CHECK(own[i] == Approx(used[i]).epsilon(1e-12));
      const auto aim = static_cast<int64_t>(timesteps[i]) - 1000 / c.steps;
      const double next = aim >= 0 ? levels[aim] : own.back();
      const at::Tensor x = integrate({Euler{}}, toys::denoise_of(toys::mixture_of(c.file)),
                                     c.file.at("states")[i], {used[i], next});
      CHECK(toys::relative_error(x / end_scale("vp", next), c.file.at("states_native")[i]) < 1e-9);
    }
  }
  CHECK(met.size() >= 3);
}

TEST_CASE("A flow's t = 1: solvers of second order step from it as well as from any other level") {
  const toys::Gaussian data{.mu = 0.3, .s = 0.5};
  const at::Tensor noise = at::tensor({-1.5, -0.2, 0.4, 2.0}, at::kDouble);
  // From σ = ∞ the path ends in μ + s n.
  const at::Tensor truth = data.mu + data.s * noise;
  for (const char* solver : {"heun", "midpoint", "ralston", "dpm2", "dpmpp2s", "dpmpp2m"}) {
    INFO(solver);
    const auto error = [&](int64_t steps) {
      const std::vector<double> sigmas = sigma_grid({.rule = "flow", .parameters = {1, 0}}, steps);
      const at::Tensor x = start_scale("flow", sigmas.front()) * noise;
      return (integrate(parse_solver(solver), data.denoise(), x, sigmas) - truth).abs().max().item<double>();
    };
    CHECK(error(5) < 0.2);
    CHECK(error(40) < 0.03);
  }
}
