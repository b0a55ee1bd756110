// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/full.h>

#include "devices/device_case.h"
#include "training/adam.h"
#include "training/ema.h"

namespace onestep::test {
namespace {

/// Values, moments and average after ten steps, one of them with a gradient that is not finite.
Outputs steps(at::Device device, at::ScalarType dtype) {
  const auto vector = [&](uint32_t purpose) { return normal(purpose, 1, {5000}, device, dtype).flatten(); };
  FlatParameters parameters{vector(0), vector(1)};
  Adam adam = make_adam({.weight_decay = 0.01, .clip_norm = 30}, parameters);
  at::Tensor average = parameters.values.clone();
  Outputs norms;
  for (uint32_t step = 1; step <= 10; ++step) {
    parameters.gradients.copy_(vector(step));
    if (step == 5) parameters.gradients.narrow(0, 17, 1).fill_(std::numeric_limits<double>::infinity());
    const double decay = ema_decay(HalfLifeEma{.half_life_kimg = 0.1}, 32 * step, 32);
    const at::Tensor norm =
        adam_step(adam, parameters,
                  {.learning_rate = 1e-2,
                   .averages = {{average, at::full({}, 1 - decay, at::device(device).dtype(at::kDouble))}}});
    if (step != 5) norms.push_back(norm);
  }
  Outputs outputs{parameters.values, adam.exp_avg, adam.exp_avg_sq, adam.step, average};
  outputs.insert(outputs.end(), norms.begin(), norms.end());
  return outputs;
}

}  // namespace

std::vector<DeviceCase> optimiser_cases() {
  return {{"optimiser", "AdamW with clipping, and EMA", 1e-5, steps}};
}

}  // namespace onestep::test
