// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "config/check.h"
#include "distillation/fake.h"
#include "distillation/resolutions.h"
#include "losses/adversarial.h"
#include "networks/head.h"
#include "training/trainee.h"

namespace onestep {

/// Approximate R1 (Lin et al. 2025, APT): the logit of a *noised* real image may not change when a little
/// more noise, `step` of its own level, is added to it.
struct R1Config {
  double weight = 1;
  double step = 0.1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("weight", c.weight, "weight of the penalty", config::magnitude);
    visit("step", c.step, "length of the perturbation, in units of the image's noise level", config::scale);
  }
};

/// Tells noised data from noised student images: its logit is the log density ratio, and the student's
/// adversarial term.
struct DiscriminatorConfig {
  std::string features = "teacher";
  std::string head = "convolutional";
  Resolutions resolutions;
  std::string loss = "logistic";
  double weight = 1;
  std::optional<R1Config> r1;
  AdamConfig optimizer;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("features", c.features,
          "whose encoder it looks through: the frozen teacher's, the fake-score network's, or a copy of its "
          "own that learns",
          config::one_of({"teacher", "fake", "own"}));
    visit("head", c.head,
          "convolutional: a small network on each resolution; pixel_mean: the mean over channels is a logit "
          "for each pixel, and the encoder itself learns (SiDA)",
          config::one_of({"convolutional", "pixel_mean"}));
    visit("resolutions", c.resolutions, "encoder resolutions that it sees");
    visit("loss", c.loss, "logistic, or hinge, whose logit is no density ratio",
          config::one_of(adversarial_losses()));
    visit("weight", c.weight,
          "weight of its loss, real + student, a mean over logits; where it trains the fake score's encoder "
          "(SiDA) of lambda(sigma) (real + student)/2, beside the fake score's sum over pixels",
          config::magnitude);
    visit("r1", c.r1, "gradient penalty; null is none");
    visit("optimizer", c.optimizer, "Adam of what is its own");
  }
  std::string problem() const;
};

/// What the discriminator trains: heads, and an encoder where it has one of its own.
struct CriticNetworks {
  std::optional<Denoiser> eye;
  Discriminator heads;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("eye", m.eye);
    visit("heads", m.heads);
  }
};

struct Critic {
  DiscriminatorConfig config;
  std::vector<int64_t> resolutions;                 ///< that it sees
  std::optional<Trainee<CriticNetworks>> networks;  ///< empty where there is nothing of its own
};

/// A discriminator for images that `network` could see. Throws config::ConfigError when its encoder lacks a
/// resolution, or one is named twice.
Critic make_critic(const DiscriminatorConfig& config, const Denoiser& network, uint64_t seed,
                   at::Device device);

/// Whether its own loss trains the encoder that it looks through.
bool trains_encoder(const DiscriminatorConfig& config);

/// Whether that is the fake score's: then both learn as one, with one optimiser, at the fake score's noise
/// levels (SiDA).
bool shares_encoder(const DiscriminatorConfig& config);

/// Logits [n, …] of encoder features: a number for each head, or for each pixel.
at::Tensor logits(const Critic& critic, const std::vector<at::Tensor>& features);

/// Logits of images x at a part's noise levels, without D. `labels` are those of x. Gradient flows into
/// heads, x, and the encoder.
at::Tensor logits_of(const Critic& critic, const Denoiser& teacher, const Fake& fake, const at::Tensor& x,
                     const at::Tensor& sigma, const at::Tensor& labels);

/// The discriminator's loss on a part, and what it saw.
struct CriticLoss {
  at::Tensor losses;                       ///< [n], its weight in them; gradient flows into what it trains
  at::Tensor sigma;                        ///< [n], where it looked
  at::Tensor real_logits, student_logits;  ///< without gradient
};

/// Real and student images noised to the same levels; the student's features are taken from `features` where
/// they are known and nothing in their encoder learns.
CriticLoss critic_losses(const Critic& critic, const Denoiser& teacher, const Fake& fake, const Part& part,
                         const std::vector<at::Tensor>& features);

/// Of a discriminator that shares the fake score's encoder: the student's features are those of that one's
/// forward pass, real images are noised to the same levels, and the losses weigh λ(σ)/2.
CriticLoss shared_critic_losses(const Critic& critic, const Fake& fake, const Part& part,
                                const FakeLoss& seen);

}  // namespace onestep
