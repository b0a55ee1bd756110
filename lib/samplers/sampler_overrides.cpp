// SPDX-License-Identifier: Apache-2.0
#include "samplers/sampler_overrides.h"

#include "config/node.h"

namespace onestep {

SamplerConfig with_overrides(SamplerConfig own, const SamplerOverrides& overrides) {
  const auto lay = [](const auto& from, auto& to) {
    if (from) to = *from;
  };
  if (overrides.solver) own.order.reset(), own.beta.reset();
  if (overrides.solver || overrides.steps || overrides.sigma_min || overrides.sigma_max || overrides.rho) {
    own.sigmas.clear();
  }
  lay(overrides.solver, own.solver);
  lay(overrides.order, own.order);
  lay(overrides.beta, own.beta);
  lay(overrides.steps, own.steps);
  lay(overrides.sigma_min, own.sigma_min);
  lay(overrides.sigma_max, own.sigma_max);
  lay(overrides.rho, own.rho);
  lay(overrides.sigmas, own.sigmas);
  // The default number of steps may stand in a one-step model's configuration; one that was asked for may
  // not.
  if (own.solver == "one_step" && overrides.steps.value_or(1) != 1) {
    throw config::ConfigError("one_step makes one step, not " + std::to_string(*overrides.steps) +
                              ": name another solver to take more");
  }
  return own;
}

}  // namespace onestep
