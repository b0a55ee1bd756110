// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "config/check.h"

namespace onestep {

/// The names of the decay rules: constant, linear, cosine.
std::vector<std::string> decay_names();

struct LearningRateConfig {
  double peak = 1e-3;
  double warmup_kimg = 0;
  std::string decay = "constant";
  double final_ratio = 0;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("peak", c.peak, "largest learning rate", config::positive);
    visit("warmup_kimg", c.warmup_kimg, "thousands of images over which it rises from 0",
          config::non_negative);
    visit("decay", c.decay, "how it falls from the end of the warm-up to the end of the run",
          config::one_of(decay_names()));
    visit("final_ratio", c.final_ratio, "rate at the end of the run, as a share of the peak",
          config::probability);
  }
};

/// The learning rate of the step that starts at image `nimg` of a run over `total` images:
/// peak · min(1, nimg/warm-up) · (final + (1 − final) d(s)), s = share of the run after the warm-up in [0,
/// 1], d from 1 to 0 by the decay rule. The first steps of a warm-up use half a batch's rate rather than 0.
double learning_rate(const LearningRateConfig& config, int64_t nimg, int64_t batch, int64_t total);

}  // namespace onestep
