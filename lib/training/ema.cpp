// SPDX-License-Identifier: Apache-2.0
#include "training/ema.h"

#include <algorithm>
#include <cmath>

#include <c10/core/GradMode.h>

namespace onestep {

void ema_step(const EmaConfig& c, at::Tensor& average, const at::Tensor& values, int64_t nimg,
              int64_t batch) {
  const c10::NoGradGuard no_grad;
  double half_life = c.half_life_kimg * 1000;
  if (c.ramp_up_ratio > 0) half_life = std::min(half_life, c.ramp_up_ratio * static_cast<double>(nimg));
  const double beta = std::pow(0.5, static_cast<double>(batch) / std::max(half_life, 1e-8));
  average.lerp_(values, 1 - beta);
}

}  // namespace onestep
