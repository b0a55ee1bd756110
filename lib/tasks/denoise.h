// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "noise/sigma_law.h"
#include "noise/weighting.h"
#include "tasks/context.h"
#include "training/adam.h"
#include "training/ema.h"

namespace onestep {

/// Trains a denoiser on images: a teacher.
struct DenoiseConfig {
  static constexpr const char* kind = "denoise";
  DenoiserConfig denoiser;
  SigmaLaw sigma = LogNormalLaw{};
  std::string weighting = "native";
  AdamConfig optimizer;
  EmaConfigs ema;
  double augmentation = 0;
  int64_t snapshot_steps = 10;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    DenoiserConfig::fields(c.denoiser, visit);
    visit("sigma", c.sigma, "distribution of the noise level");
    visit("weighting", c.weighting,
          "weight of the loss over noise levels; native: the plain error of what the network predicts",
          config::one_of(loss_weight_names()));
    visit("optimizer", c.optimizer, "Adam");
    visit("ema", c.ema,
          "moving average of the weights, which is what the run gives; of a list the first, and files of the "
          "others in the run's folder ema");
    visit("augmentation", c.augmentation,
          "share of the images that are changed by each geometric augmentation (EDM: 0.12); takes a network "
          "with augment_dim: 9",
          config::between(0, 1));
    visit("snapshot_steps", c.snapshot_steps, "Heun steps of the sample sheets", config::at_least(1),
          config::Role::free);
  }
  std::string problem() const {
    if (const std::string problem = denoiser.problem(); !problem.empty()) return problem;
    const PreconditioningConfig& p = denoiser.preconditioning;
    return range_problem("sigma", range_of(sigma), valid_range(p), "preconditioning " + p.rule);
  }
};

/// Minimises E λ(σ) ‖D(y + σ ε; σ) − y‖² over images y, σ by its law, ε white (Karras et al. 2022, eq. 2).
/// Labels are hidden at the network's label_dropout rate, so that guidance is possible.
Task make_denoise_task(const DenoiseConfig& config, const TaskContext& context);

}  // namespace onestep
