// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "config/check.h"
#include "distillation/taps.h"
#include "losses/adversarial.h"
#include "training/adam.h"

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
  Taps taps;
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
          "convolutional: a small network on each tap; pixel_mean: the mean over channels is a logit "
          "for each pixel, and the encoder itself learns (SiDA)",
          config::one_of({"convolutional", "pixel_mean"}));
    visit("taps", c.taps, "places inside the network that it sees: 16x16, block7, ...");
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

/// Whether its own loss trains the encoder that it looks through.
bool trains_encoder(const DiscriminatorConfig& config);

/// Whether that is the fake score's: then both learn as one, with one optimiser, at the fake score's noise
/// levels (SiDA).
bool shares_encoder(const DiscriminatorConfig& config);

}  // namespace onestep
