// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "losses/adversarial.h"
#include "networks/codec.h"
#include "networks/patch_discriminator.h"
#include "tasks/context.h"
#include "training/adam.h"
#include "training/ema.h"

namespace onestep {

/// A discriminator of patches that learns beside the autoencoder, with its optimiser: it tells pictures from
/// what became of them, and the autoencoder is to be taken for the former.
struct OpponentConfig {
  double weight = 0.02;
  double start_kimg = 0;
  std::string loss = "hinge";
  PatchDiscriminatorConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("weight", c.weight, "weight of the autoencoder's adversarial term beside the mean error of a pixel",
          config::magnitude);
    visit("start_kimg", c.start_kimg, "thousands of the run's images before both learn from it",
          config::non_negative);
    visit("loss", c.loss, "the pair of losses", config::one_of(adversarial_losses()));
    PatchDiscriminatorConfig::fields(c.network, visit);
  }
  std::string problem() const { return network.problem(); }
};

/// Trains an autoencoder: what latents are made by.
struct AutoencodeConfig {
  static constexpr const char* kind = "autoencode";
  AutoencoderConfig network = AutoencoderKlConfig{};
  double squared = 1;
  double absolute = 0.3;
  double kl_weight = 0.02;
  std::optional<OpponentConfig> adversarial;
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
    visit("adversarial", c.adversarial, "a discriminator that learns against the autoencoder; null is none");
    visit("unit_variance", c.unit_variance,
          "measure the latents' mean and standard deviation at the end, and scale them by these; else the "
          "network's own scaling_factor and shift_factor stay");
    visit("optimizer", c.optimizer, "Adam, of the discriminator too");
    visit("ema", c.ema,
          "moving average of the weights, which is what the run gives; of a list the first, and files of the "
          "others in the run's folder ema");
  }
  std::string problem() const;
};

/// Minimises, for x̂ = decode(z), z ~ q(z|x), over an image of P pixels
///   (Σ (s (x̂ − x)² + a |x̂ − x|) + w KL(q(z|x) ‖ N(0, 1))) / P + v g(D(x̂)):
/// the first stage of Rombach et al. 2022 without a perceptual term, where the adversarial weight v follows
/// the gradients' norms; here it stays. D learns beside it on x and x̂ (losses/adversarial.h), whose loss is
/// logged as `disc`. Latents are unscaled in training; a KL of a tiny autoencoder, whose latents have no
/// distribution, is none.
Task make_autoencode_task(const AutoencodeConfig& config, const TaskContext& context);

}  // namespace onestep
