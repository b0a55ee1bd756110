// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/fidelity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include "kernels/philox.h"

namespace onestep {

at::Tensor measurements(const FidelityConfig& config, const Particles& particles, uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const at::Tensor clean = measure(config.measurement, particles.reference);
  return clean + config.noise_std * kernels::philox_normal(seed, word(Purpose::measurement),
                                                           at::arange(clean.size(0)), clean.sizes().slice(1),
                                                           clean.device());
}

Pull pull(const FidelityTerm& term, const TermInputs& in) {
  const at::Tensor y = in.seen.y.detach().clone().set_requires_grad(true);
  const at::Tensor b = particle_rows(term.measured, in.shard);
  const at::Tensor losses = data_fidelity_loss(term.config.measurement, y, b, term.config.noise_std) /
                            static_cast<double>(y[0].numel());
  return {.losses = losses.detach(), .gradient = gradient_at(y, losses)};
}

}  // namespace onestep
