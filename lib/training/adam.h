// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "config/check.h"
#include "kernels/adamw.h"
#include "networks/module.h"
#include "training/learning_rate.h"

namespace onestep {

struct AdamConfig {
  LearningRateConfig learning_rate;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  double clip_norm = 0;
  double clip_value = 0;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("learning_rate", c.learning_rate, "step size over the run");
    visit("beta1", c.beta1, "decay of the gradient's mean", config::between(0, 0.999999));
    visit("beta2", c.beta2, "decay of the gradient's second moment", config::between(0, 0.9999999));
    visit("eps", c.eps, "added to the root of the second moment", config::positive);
    visit("weight_decay", c.weight_decay, "decoupled weight decay (AdamW); 0 is Adam", config::magnitude);
    visit("clip_norm", c.clip_norm, "largest norm of the whole gradient; 0 does not clip",
          config::non_negative);
    visit("clip_value", c.clip_value, "largest size of one of its numbers; 0 does not clip",
          config::non_negative);
  }
};

/// AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019) on a flat parameter vector.
struct Adam {
  AdamConfig config;
  at::Tensor exp_avg, exp_avg_sq;  ///< [P]
  int64_t rows = 1;                ///< equal parts of the parameters that may be updated each for itself
  at::Tensor step;                 ///< [rows], or [] of one, float32: updates made
  at::Tensor skipped;  ///< [] float32, updates left out in a row because a gradient was not finite
};
Adam make_adam(const AdamConfig& config, const FlatParameters& parameters, int64_t rows = 1);

/// What a step is told beside its gradients.
struct AdamStep {
  double learning_rate;
  at::Tensor any = {};             ///< bool []: whether the gradient is of any sample; undefined: it is
  std::vector<int64_t> met = {0};  ///< of several rows those that are updated
  at::Tensor shadow = {};          ///< [P] bfloat16, which becomes the new values rounded; undefined: none
  std::vector<kernels::MovingAverage> averages = {};  ///< of the values, which move along
};

/// One update from the accumulated gradients, which are zeroed for the next step, in one pass over memory
/// (kernels/adamw.h). A gradient with a NaN or an infinity, and one of no sample at all, changes nothing but
/// `skipped` and the averages, without a round trip to the host. The momentum of rows that are not met is not
/// moved along, and each counts its own updates. Returns the gradient's norm before clipping, []; NaN or an
/// infinity when the update was left out.
at::Tensor adam_step(Adam& adam, FlatParameters& parameters, const AdamStep& step);

/// The optimiser's and the parameters' tensors under `prefix`, sharing storage: what a checkpoint holds.
void append_state(NamedTensors& state, const std::string& prefix, const Adam& adam,
                  const FlatParameters& parameters);

}  // namespace onestep
