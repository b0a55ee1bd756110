// SPDX-License-Identifier: Apache-2.0
#include "samplers/sampler_config.h"

#include <algorithm>
#include <array>

#include "config/config.h"
#include "config/suggest.h"
#include "io/safetensors.h"
#include "networks/denoiser.h"
#include "networks/model_metadata.h"
#include "samplers/integrate.h"

namespace onestep {
namespace {

bool is_one_step(const Solver& solver) {
  return std::holds_alternative<OneStep>(solver.method);
}

bool ends_in_first_timestep(const SamplerConfig& c) {
  return c.last == "first_timestep";
}

SigmaGrid grid_of(const SamplerConfig& c) {
  SigmaGrid grid{c.sigma_grid, c.sigma_min, c.sigma_max, c.rho, c.grid_parameters};
  if (c.schedule != kOwnSchedule) grid.schedule = c.schedule;
  grid.to_first_timestep = ends_in_first_timestep(c);
  return grid;
}

}  // namespace

std::string SamplerConfig::problem() const {
  bool one_step = false;
  try {
    one_step = is_one_step(solver_of(*this));
  } catch (const config::ConfigError& error) {
    return error.what();
  }
  if (guidance_max && *guidance_max <= guidance_min) return "guidance_min must be below guidance_max";
  if (one_step && ends_in_first_timestep(*this)) return "one_step ends in noise level 0: last must be zero";
  if (!sigmas.empty()) {
    const std::string problem = grid_problem(sigmas);
    if (!problem.empty()) return problem;
    if (sigmas.back() != 0 && !ends_in_first_timestep(*this)) return "sigmas must end in 0";
    return one_step && sigmas.size() != 2 ? "one_step takes two sigmas, its start and 0" : "";
  }
  return grid_problem(grid_of(*this), one_step ? 1 : steps);
}

Solver solver_of(const SamplerConfig& c) {
  return parse_solver(c.solver, {c.order, c.beta, c.eta, c.noise_scale, c.churn, c.churn_min, c.churn_max});
}

std::vector<double> sigmas_of(const SamplerConfig& config) {
  if (!config.sigmas.empty()) return config.sigmas;
  return sigma_grid(grid_of(config), is_one_step(solver_of(config)) ? 1 : config.steps);
}

SamplerConfig for_model(SamplerConfig config, const Denoiser& model) {
  const SigmaRange known = valid_range(model);
  if (config.sigmas.empty()) {
    const SigmaGrid grid = grid_of(config);
    if (const std::optional<SigmaRange> ends = ends_of(grid)) {
      if (!config.sigma_min && ends->lowest < known.lowest) config.sigma_min = known.lowest;
      if (!config.sigma_max && ends->highest > known.highest) config.sigma_max = known.highest;
    }
    if (const std::string own = trained_schedule(model);
        config.schedule == kOwnSchedule && has_timesteps(grid) && !own.empty())
      config.schedule = own;
    if (const std::string problem = config.problem(); !problem.empty()) throw config::ConfigError(problem);
  }
  const std::vector<double> sigmas = sigmas_of(config);
  require_known("sampler", {sigmas.end()[-2], sigmas.front()}, known, "the model");
  return config;
}

SamplerConfig sampler_of_model(const std::filesystem::path& model) {
  return sampler_of_metadata(io::read_safetensors_metadata(model), model);
}

SamplerConfig sampler_of_metadata(const std::map<std::string, std::string>& metadata,
                                  const std::filesystem::path& model) {
  const auto found = metadata.find(kSamplingKey);
  if (found == metadata.end()) return {};
  return read_metadata<SamplerConfig>(model, kSamplingKey, found->second);
}

SamplerConfig with_changes(const SamplerConfig& own, const config::Partial<SamplerConfig>& changes) {
  constexpr std::array kGridKeys{"steps", "sigma_grid",      "sigma_min", "sigma_max",
                                 "rho",   "grid_parameters", "schedule",  "last"};
  const bool describes_grid =
      std::ranges::any_of(kGridKeys, [&](const char* key) { return changes.says(key); });
  if (describes_grid && changes.says("sigmas"))
    throw config::ConfigError("sigmas are all noise levels: say either them or " +
                              config::join({kGridKeys.begin(), kGridKeys.end()}, ", "));
  SamplerConfig kept = own;
  if (changes.says("solver")) {
    kept.order.reset();
    for (auto* of_solver :
         {&kept.beta, &kept.eta, &kept.noise_scale, &kept.churn, &kept.churn_min, &kept.churn_max})
      of_solver->reset();
  }
  if (changes.says("solver") || describes_grid) kept.sigmas.clear();
  if (changes.says("sigma_grid")) {
    kept.sigma_min.reset(), kept.sigma_max.reset(), kept.rho.reset();
    kept.grid_parameters.clear();
    kept.schedule = SamplerConfig().schedule, kept.last = SamplerConfig().last;
  }
  const SamplerConfig result = config::overlaid(kept, changes);
  // The default number of steps may stand in a one-step model's configuration; one that was asked for may
  // not.
  if (is_one_step(solver_of(result)) && changes.says("steps") && result.steps != 1)
    throw config::ConfigError("one_step makes one step, not " + std::to_string(result.steps) +
                              ": name another solver to take more");
  return result;
}

}  // namespace onestep
