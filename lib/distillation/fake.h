// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "data/augmentation.h"
#include "distillation/fake_config.h"
#include "distillation/student.h"

/// The fake score: what stands for D_q, the denoiser of the student's own images.
namespace onestep {

struct Fake {
  FakeConfig config;
  std::optional<Denoiser> network;
  SigmaSource sigma = {};  ///< where a network learns
};

/// On `device`, where the network is. Throws config::ConfigError where a network is wanted and `network` is
/// empty.
Fake make_fake(const FakeConfig& config, const std::optional<Denoiser>& network,
               at::Device device = at::kCPU);

/// D_q(x; σ) for a shard, and the features of its network at `taps`. Gradient flows through
/// x.
DenoiserOutput fake_forward(const Fake& fake, const Student& student, const Denoiser& teacher,
                            const at::Tensor& x, const Shard& shard, const std::vector<std::string>& taps);

/// The fake-score network's own loss on a shard, and what a discriminator that shares its encoder learns
/// from.
struct FakeLoss {
  at::Tensor losses;  ///< [n], λ(σ) ‖D_q(y + σε) − y‖², or its mean over pixels, y augmented
  at::Tensor sigma, weight;          ///< [n], noise levels of its own, and λ(σ)
  std::vector<at::Tensor> features;  ///< of the network at y + σε, from the same forward pass
};

/// Undefined where nothing is to be learnt. Gradient flows through the network's parameters alone.
FakeLoss fake_losses(const Fake& fake, const Shard& shard, const std::vector<std::string>& taps = {});

/// Where the numbers of the layers begin by which real images' dropout masks are drawn.
inline constexpr uint64_t kRealLayers = uint64_t{1} << 32;

/// A shard's real images as the loss above sees the student's: augmented, by draws of their own.
Augmented augmented_real(const Fake& fake, const Shard& shard);

/// The encoder's features of such images with noise, real_x at levels `sigma` [n], with dropout. Gradient
/// flows through the encoder's parameters.
std::vector<at::Tensor> real_features(const Fake& fake, const Shard& shard, const at::Tensor& real_x,
                                      const at::Tensor& sigma, const at::Tensor& augment_labels,
                                      const std::vector<std::string>& taps);

}  // namespace onestep
