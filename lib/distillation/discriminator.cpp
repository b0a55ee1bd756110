// SPDX-License-Identifier: Apache-2.0
#include "distillation/discriminator.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>

#include "losses/adversarial.h"
#include "losses/finite.h"

namespace onestep {
namespace {

bool has_heads(const DiscriminatorConfig& config) {
  return config.head == "convolutional";
}

const Denoiser& encoder_of(const Discriminator& discriminator, const Denoiser& teacher, const Fake& fake) {
  switch (discriminator.encoder) {
    case EncoderOwner::teacher:
      return teacher;
    case EncoderOwner::fake:
      return *fake.network;
    case EncoderOwner::discriminator:
      break;
  }
  return *discriminator.networks->encoder;
}

/// Features whose graph reaches no further than somebody asks: x, or an encoder that learns.
std::vector<at::Tensor> features_of(const Discriminator& discriminator, const Denoiser& encoder,
                                    const at::Tensor& x, const at::Tensor& sigma,
                                    const Condition& condition) {
  const c10::AutoGradMode graph(c10::GradMode::is_enabled() &&
                                (discriminator.trains_encoder || x.requires_grad()));
  return forward(encoder, x, sigma, {.condition = condition}, {.taps = discriminator.taps, .output = false})
      .features;
}

/// The mean over channels at every pixel, [n, pixels], float32 at least.
at::Tensor pixel_means(const std::vector<at::Tensor>& features) {
  std::vector<at::Tensor> maps;
  for (const at::Tensor& feature : features)
    maps.push_back(
        feature.mean(1, /*keepdim=*/false, c10::promoteTypes(feature.scalar_type(), at::kFloat)).flatten(1));
  return at::cat(maps, 1);
}

}  // namespace

std::string DiscriminatorConfig::problem() const {
  if (head == "pixel_mean" && features == "teacher") {
    return "head pixel_mean has nothing to learn on features of the frozen teacher: choose fake or own";
  }
  return "";
}

bool trains_encoder(const DiscriminatorConfig& config) {
  return config.features == "own" || !has_heads(config);
}

bool shares_encoder(const DiscriminatorConfig& config) {
  return config.features == "fake" && trains_encoder(config);
}

Discriminator make_discriminator(const DiscriminatorConfig& config, const Denoiser& network, uint64_t seed,
                                 at::Device device) {
  const EncoderOwner encoder = config.features == "teacher" ? EncoderOwner::teacher
                               : config.features == "fake"  ? EncoderOwner::fake
                                                            : EncoderOwner::discriminator;
  Discriminator discriminator{.config = config,
                              .encoder = encoder,
                              .trains_encoder = trains_encoder(config),
                              .shares_encoder = shares_encoder(config),
                              .taps = resolved(config.taps, network, "task.discriminator.taps")};
  DiscriminatorNetworks networks;
  if (config.features == "own") networks.encoder = clone(network, device);
  if (has_heads(config))
    networks.heads = clone(make_heads(taps_named(discriminator.taps, feature_taps(network)), seed), device);
  if (parameter_count(networks) > 0) discriminator.networks = std::move(networks);
  return discriminator;
}

at::Tensor logits(const Discriminator& discriminator, const std::vector<at::Tensor>& features) {
  if (!discriminator.networks || discriminator.networks->heads.heads.empty()) return pixel_means(features);
  // A sample whose features are not finite gets NaN for logits, and its loss no way into the heads' weights.
  at::Tensor finite;
  for (const at::Tensor& feature : features) {
    const at::Tensor here = finite_samples(feature);
    finite = finite.defined() ? finite & here : here;
  }
  std::vector<at::Tensor> safe;
  for (const at::Tensor& feature : features) safe.push_back(kept(feature, finite));
  const at::Tensor all = forward(discriminator.networks->heads, safe);
  return at::where(finite.unsqueeze(1), all, at::full({}, NAN, all.options()));
}

at::Tensor logits_of(const Discriminator& discriminator, const Denoiser& teacher, const Fake& fake,
                     const at::Tensor& x, const at::Tensor& sigma, const Condition& condition) {
  return logits(discriminator,
                features_of(discriminator, encoder_of(discriminator, teacher, fake), x, sigma, condition));
}

DiscriminatorLoss discriminator_losses(const Discriminator& discriminator, const Denoiser& teacher,
                                       const Fake& fake, const Shard& shard,
                                       const std::vector<at::Tensor>& features) {
  const auto logits_at = [&](const at::Tensor& x, const Condition& condition) {
    return logits_of(discriminator, teacher, fake, x, shard.sigma, condition);
  };
  const at::Tensor real_x = noised(shard.real, shard.sigma, unit_noise(shard, Purpose::real_noise));
  const at::Tensor real = logits_at(real_x, shard.real_condition);
  const bool known = !features.empty() && !discriminator.trains_encoder;
  const at::Tensor student =
      known ? logits(discriminator, features) : logits_at(shard.x().detach(), shard.condition);
  DiscriminatorLoss out{.losses = discriminator_loss(discriminator.config.loss, real, student),
                        .sigma = shard.sigma};
  if (const auto& r1 = discriminator.config.r1) {
    const at::Tensor perturbed =
        noised(real_x, r1->step * shard.sigma, unit_noise(shard, Purpose::perturbation));
    out.losses =
        out.losses + r1->weight * r1_penalty(real, logits_at(perturbed, shard.real_condition), r1->step);
  }
  out.losses = discriminator.config.weight * out.losses;
  out.real_logits = real.detach();
  out.student_logits = student.detach();
  return out;
}

DiscriminatorLoss shared_encoder_losses(const Discriminator& discriminator, const Fake& fake,
                                        const Shard& shard, const FakeLoss& seen) {
  const Augmented images = augmented_real(fake, shard);
  const auto real_logits = [&](const at::Tensor& x) {
    return logits(discriminator,
                  real_features(fake, shard, x, seen.sigma, images.labels, discriminator.taps));
  };
  const at::Tensor real_x = noised(images.images, seen.sigma, unit_noise(shard, Purpose::real_noise));
  const at::Tensor real = real_logits(real_x), student = logits(discriminator, seen.features);
  DiscriminatorLoss out{
      .losses = shared_discriminator_loss(discriminator.config.loss, real, student, seen.weight),
      .sigma = seen.sigma};
  if (const auto& r1 = discriminator.config.r1) {
    const at::Tensor perturbed =
        noised(real_x, r1->step * seen.sigma, unit_noise(shard, Purpose::perturbation));
    out.losses =
        out.losses + 0.5 * seen.weight * r1->weight * r1_penalty(real, real_logits(perturbed), r1->step);
  }
  out.losses = discriminator.config.weight * out.losses;
  out.real_logits = real.detach();
  out.student_logits = student.detach();
  return out;
}

}  // namespace onestep
