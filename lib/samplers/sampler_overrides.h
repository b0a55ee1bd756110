// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "samplers/sampler_config.h"

namespace onestep {

/// What a user says about sampling, laid over the sampler that a model brings along: the fields of
/// SamplerConfig, each left out where nothing was said.
struct SamplerOverrides {
  std::optional<std::string> solver;
  std::optional<int64_t> order;
  std::optional<double> beta;
  std::optional<int64_t> steps;
  std::optional<double> sigma_min, sigma_max, rho;
  std::optional<std::vector<double>> sigmas;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("solver", c.solver, "one_step, euler, heun, hb3.8 ...", config::non_empty);
    visit("order", c.order, "order of the solver 'hb'", config::between(1, kMaxOrder));
    visit("beta", c.beta, "weight of the new slope in the solver 'hb'", config::probability);
    visit("steps", c.steps, "steps, the one to noise level 0 included", config::at_least(1));
    visit("sigma_min", c.sigma_min, "lowest noise level before 0", config::positive);
    visit("sigma_max", c.sigma_max, "noise level of the start", config::positive);
    visit("rho", c.rho, "how the steps crowd towards low noise levels", config::positive);
    visit("sigmas", c.sigmas, "all noise levels, highest first, ending in 0", config::non_negative);
  }
};

/// The overrides laid over `own`. A solver that is named anew drops its predecessor's order and beta; a grid
/// that is described anew drops an explicit list of noise levels. The result is checked by whoever uses it,
/// except that config::ConfigError is thrown here when one_step is asked for a number of steps.
SamplerConfig with_overrides(SamplerConfig own, const SamplerOverrides& overrides);

}  // namespace onestep
