// SPDX-License-Identifier: Apache-2.0
#include "samplers/sampler_config.h"

#include "config/config.h"
#include "io/safetensors.h"
#include "noise/sigma_grid.h"
#include "samplers/integrate.h"

namespace onestep {

std::string SamplerConfig::problem() const {
  bool one_step = false;
  try {
    one_step = std::holds_alternative<OneStep>(solver_of(*this));
  } catch (const config::ConfigError& error) {
    return error.what();
  }
  if (!sigmas.empty()) {
    const std::string problem = grid_problem(sigmas);
    if (!problem.empty()) return problem;
    if (sigmas.back() != 0) return "sigmas must end in 0";
    if (one_step && sigmas.size() != 2) return "one_step takes two sigmas, its start and 0";
  } else if (!one_step && steps > 1 && sigma_min >= sigma_max) {
    return "sigma_min must be below sigma_max";
  }
  return "";
}

Solver solver_of(const SamplerConfig& config) {
  return parse_solver(config.solver, config.order, config.beta);
}

std::vector<double> sigmas_of(const SamplerConfig& config) {
  if (!config.sigmas.empty()) return config.sigmas;
  if (std::holds_alternative<OneStep>(solver_of(config))) return {config.sigma_max, 0.0};
  return karras_grid(config.steps, config.sigma_min, config.sigma_max, config.rho);
}

SamplerConfig sampler_of_model(const std::filesystem::path& model) {
  const auto metadata = io::read_safetensors_metadata(model);
  const auto found = metadata.find(kSamplingKey);
  if (found == metadata.end()) return {};
  return config::read<SamplerConfig>(config::parse(found->second, model.string() + ": " + kSamplingKey));
}

}  // namespace onestep
