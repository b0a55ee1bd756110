// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "distillation/discriminator_config.h"
#include "distillation/fake.h"
#include "networks/head.h"

namespace onestep {

/// What the discriminator trains: heads, and an encoder where it has one of its own.
struct DiscriminatorNetworks {
  std::optional<Denoiser> encoder;
  Heads heads;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("encoder", m.encoder);
    visit("heads", m.heads);
  }
};

/// Whose encoder gives the features.
enum class EncoderOwner { teacher, fake, discriminator };

struct Discriminator {
  DiscriminatorConfig config;
  EncoderOwner encoder;
  bool trains_encoder;                            ///< its loss reaches the encoder
  bool shares_encoder;                            ///< and that is the fake score's (SiDA)
  std::vector<std::string> taps;                  ///< that it sees
  std::optional<DiscriminatorNetworks> networks;  ///< empty where there is nothing of its own
};

/// A discriminator for images that `network` could see. Throws config::ConfigError when that lacks a tap,
/// or one is named twice.
Discriminator make_discriminator(const DiscriminatorConfig& config, const Denoiser& network, uint64_t seed,
                                 at::Device device);

/// Logits [n, …] of encoder features: a number for each head, or for each pixel.
at::Tensor logits(const Discriminator& discriminator, const std::vector<at::Tensor>& features);

/// Logits of images x at a shard's noise levels, without D. `condition` is that of x. Gradient flows into
/// heads, x, and the encoder.
at::Tensor logits_of(const Discriminator& discriminator, const Denoiser& teacher, const Fake& fake,
                     const at::Tensor& x, const at::Tensor& sigma, const Condition& condition);

/// The discriminator's loss on a shard, and what it saw.
struct DiscriminatorLoss {
  at::Tensor losses;                       ///< [n], its weight in them; gradient flows into what it trains
  at::Tensor sigma;                        ///< [n], where it looked
  at::Tensor real_logits, student_logits;  ///< without gradient
};

/// Real and student images noised to the same levels; the student's features are taken from `features` where
/// they are known and nothing in their encoder learns.
DiscriminatorLoss discriminator_losses(const Discriminator& discriminator, const Denoiser& teacher,
                                       const Fake& fake, const Shard& shard,
                                       const std::vector<at::Tensor>& features);

/// Of a discriminator that shares the fake score's encoder: the student's features are those of that one's
/// forward pass, real images are noised to the same levels, and the losses weigh λ(σ)/2.
DiscriminatorLoss shared_encoder_losses(const Discriminator& discriminator, const Fake& fake,
                                        const Shard& shard, const FakeLoss& seen);

}  // namespace onestep
