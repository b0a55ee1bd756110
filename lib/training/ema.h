// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "config/check.h"

namespace onestep {

struct EmaConfig {
  double half_life_kimg = 500;
  double ramp_up_ratio = 0.05;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("half_life_kimg", c.half_life_kimg, "EMA half-life, thousands of images", config::positive);
    visit("ramp_up_ratio", c.ramp_up_ratio,
          "the half-life is at most this share of the images seen; 0 is no ramp", config::non_negative);
  }
};

/// average ← β average + (1 − β) values, β = ½^(batch / half-life), half-life = min(config's, ramp · nimg)
/// (Karras et al. 2022, appendix F.1). Both flat, [P].
void ema_step(const EmaConfig& config, at::Tensor& average, const at::Tensor& values, int64_t nimg,
              int64_t batch);

}  // namespace onestep
