// SPDX-License-Identifier: Apache-2.0
#include "distillation/critic.h"

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

const Denoiser& eye_of(const Critic& critic, const Denoiser& teacher, const Fake& fake) {
  if (critic.config.features == "teacher") return teacher;
  return critic.config.features == "fake" ? fake.network->module : *critic.networks->module.eye;
}

/// Features whose graph reaches no further than somebody asks: x, or an encoder that learns.
std::vector<at::Tensor> features_of(const Critic& critic, const Denoiser& eye, const at::Tensor& x,
                                    const at::Tensor& sigma, const at::Tensor& labels) {
  const c10::AutoGradMode graph(c10::GradMode::is_enabled() &&
                                (trains_encoder(critic.config) || x.requires_grad()));
  return perceive(eye, x, sigma, labels, critic.resolutions, /*decoded=*/false).features;
}

/// The mean over channels at every pixel, [n, pixels].
at::Tensor pixel_means(const std::vector<at::Tensor>& features) {
  std::vector<at::Tensor> maps;
  for (const at::Tensor& feature : features) maps.push_back(feature.mean(1).flatten(1));
  return at::cat(maps, 1);
}

Discriminator make_heads(const std::vector<int64_t>& resolutions, const Denoiser& network, uint64_t seed) {
  std::vector<int64_t> channels;
  for (const int64_t resolution : resolutions) channels.push_back(feature_channels(network, resolution));
  return make_discriminator(resolutions, channels, seed);
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

Critic make_critic(const DiscriminatorConfig& config, const Denoiser& network, uint64_t seed,
                   at::Device device) {
  Critic critic{.config = config,
                .resolutions = resolved(config.resolutions, network, "task.discriminator.resolutions")};
  CriticNetworks networks;
  if (config.features == "own") networks.eye = clone(network, device);
  if (has_heads(config)) networks.heads = clone(make_heads(critic.resolutions, network, seed), device);
  if (parameter_count(networks) > 0) critic.networks = make_trainee(std::move(networks), config.optimizer);
  return critic;
}

at::Tensor logits(const Critic& critic, const std::vector<at::Tensor>& features) {
  if (!has_heads(critic.config)) return pixel_means(features);
  // A sample whose features are not finite gets NaN for logits, and its loss no way into the heads' weights.
  at::Tensor finite;
  for (const at::Tensor& feature : features) {
    const at::Tensor here = finite_samples(feature);
    finite = finite.defined() ? finite & here : here;
  }
  std::vector<at::Tensor> safe;
  for (const at::Tensor& feature : features) safe.push_back(kept(feature, finite));
  const at::Tensor all = forward(critic.networks->module.heads, safe);
  return at::where(finite.unsqueeze(1), all, at::full({}, NAN, all.options()));
}

at::Tensor logits_of(const Critic& critic, const Denoiser& teacher, const Fake& fake, const at::Tensor& x,
                     const at::Tensor& sigma, const at::Tensor& labels) {
  return logits(critic, features_of(critic, eye_of(critic, teacher, fake), x, sigma, labels));
}

CriticLoss critic_losses(const Critic& critic, const Denoiser& teacher, const Fake& fake, const Part& part,
                         const std::vector<at::Tensor>& features) {
  const auto logits_at = [&](const at::Tensor& x, const at::Tensor& labels) {
    return logits_of(critic, teacher, fake, x, part.sigma, labels);
  };
  const at::Tensor real_x = noised(part.real, part.sigma, unit_noise(part, Purpose::real_noise));
  const at::Tensor real = logits_at(real_x, part.real_labels);
  const bool known = !features.empty() && !trains_encoder(critic.config);
  const at::Tensor student = known ? logits(critic, features) : logits_at(part.x().detach(), part.labels);
  CriticLoss out{.losses = discriminator_loss(critic.config.loss, real, student), .sigma = part.sigma};
  if (const auto& r1 = critic.config.r1) {
    const at::Tensor perturbed =
        noised(real_x, r1->step * part.sigma, unit_noise(part, Purpose::perturbation));
    out.losses = out.losses + r1->weight * r1_penalty(real, logits_at(perturbed, part.real_labels), r1->step);
  }
  out.losses = critic.config.weight * out.losses;
  out.real_logits = real.detach();
  out.student_logits = student.detach();
  return out;
}

CriticLoss shared_critic_losses(const Critic& critic, const Fake& fake, const Part& part,
                                const FakeLoss& seen) {
  const Augmented images = augmented_real(fake, part);
  const auto real_logits = [&](const at::Tensor& x) {
    return logits(critic, real_features(fake, part, x, seen.sigma, images.labels, critic.resolutions));
  };
  const at::Tensor real_x = noised(images.images, seen.sigma, unit_noise(part, Purpose::real_noise));
  const at::Tensor real = real_logits(real_x), student = logits(critic, seen.features);
  CriticLoss out{.losses = shared_discriminator_loss(critic.config.loss, real, student, seen.weight),
                 .sigma = seen.sigma};
  if (const auto& r1 = critic.config.r1) {
    const at::Tensor perturbed =
        noised(real_x, r1->step * seen.sigma, unit_noise(part, Purpose::perturbation));
    out.losses =
        out.losses + 0.5 * seen.weight * r1->weight * r1_penalty(real, real_logits(perturbed), r1->step);
  }
  out.losses = critic.config.weight * out.losses;
  out.real_logits = real.detach();
  out.student_logits = student.detach();
  return out;
}

}  // namespace onestep
