// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include "kernels/philox.h"

namespace onestep {
double weight_at(const TermWeight& term, int64_t nimg) {
  const double kimg = static_cast<double>(nimg) / 1000 - term.start_kimg;
  if (kimg < 0) return 0;
  return term.weight * (term.ramp_kimg > 0 ? std::min(1.0, kimg / term.ramp_kimg) : 1.0);
}

at::Tensor measurements(const FidelityConfig& config, const Particles& particles, uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const at::Tensor clean = measure(config.measurement, particles.reference);
  return clean + config.noise_std * kernels::philox_normal(seed, word(Purpose::measurement),
                                                           at::arange(clean.size(0)), clean.sizes().slice(1),
                                                           clean.device());
}

}  // namespace onestep
