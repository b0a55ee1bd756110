// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "networks/codec.h"
#include "tasks/context.h"
#include "training/adam.h"
#include "training/ema.h"

namespace onestep {

/// Trains an autoencoder: what latents are made by.
struct AutoencodeConfig {
  static constexpr const char* kind = "autoencode";
  AutoencoderConfig network = AutoencoderKlConfig{};
  double squared = 1;
  double absolute = 0.3;
  double kl_weight = 0.02;
  bool unit_variance = true;
  AdamConfig optimizer;
  EmaConfigs ema;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the autoencoder");
    visit("squared", c.squared, "weight of the squared error, a sum over an image's pixels",
          config::non_negative);
    visit("absolute", c.absolute, "weight of the absolute error, likewise", config::non_negative);
    visit("kl_weight", c.kl_weight,
          "weight of the KL divergence of a latent's distribution from a unit normal, in nats",
          config::non_negative);
    visit("unit_variance", c.unit_variance,
          "measure the latents' mean and standard deviation at the end, and scale them by these; else the "
          "network's own scaling_factor and shift_factor stay");
    visit("optimizer", c.optimizer, "Adam");
    visit("ema", c.ema,
          "moving average of the weights, which is what the run gives; of a list the first, and files of the "
          "others in the run's folder ema");
  }
  std::string problem() const;
};

/// Minimises Σ (s (x̂ − x)² + a |x̂ − x|) + w KL(q(z|x) ‖ N(0, 1)) for x̂ = decode(z), z ~ q(z|x): the first
/// stage of Rombach et al. 2022 without a perceptual and an adversarial term. The loss is divided by the
/// number of pixels. Latents are unscaled in training; a KL of a tiny autoencoder, whose latents have no
/// distribution, is none.
Task make_autoencode_task(const AutoencodeConfig& config, const TaskContext& context);

}  // namespace onestep
