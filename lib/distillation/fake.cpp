// SPDX-License-Identifier: Apache-2.0
#include "distillation/fake.h"

#include <ATen/TensorOperators.h>

#include "config/node.h"
#include "losses/denoising.h"
#include "networks/guidance.h"

namespace onestep {
namespace {

struct Forward {
  const Fake& fake;
  const Student& student;
  const Denoiser& teacher;
  const at::Tensor& x;
  const Shard& shard;
  const std::vector<std::string>& taps;

  DenoiserOutput operator()(const FakeNetworkConfig& c) const {
    return forward_guided(*fake.network, x, shard.sigma, {.condition = shard.condition}, c.guidance, taps);
  }
  DenoiserOutput operator()(const PointFakeConfig&) const { return {shard.y.detach(), {}}; }
  DenoiserOutput operator()(const ReferenceFakeConfig& c) const {
    const auto& particles = std::get<Particles>(student.form);
    const at::Tensor reference = particle_rows(particles.reference, shard);
    const Condition condition{shard.condition.defined() ? particle_rows(particles.reference_labels, shard)
                                                        : at::Tensor()};
    const at::Tensor noisy = noised(reference, shard.sigma, shard.epsilon);
    const at::Tensor expected =
        forward_guided(teacher, noisy, shard.sigma, {.condition = condition}, c.guidance).denoised;
    return {shard.y.detach() + expected - reference, {}};
  }
  DenoiserOutput operator()(const ExactFakeConfig&) const {
    return {denoise(*exact_density(student), x, shard.sigma), {}};
  }
};

/// Dropout masks of a pass over a shard's student images, or its real ones: layers are numbered on from
/// `layer`, so that no two passes have one mask.
DropoutStream masks_of(const FakeNetworkConfig& config, const Shard& shard, uint64_t layer = 0) {
  return {.rate = config.dropout, .seed = shard.seed, .indices = shard.indices, .layer = layer};
}

const PreconditioningConfig& preconditioning_of(const Fake& fake) {
  return network_of(*fake.network)->preconditioning.config;
}

}  // namespace

Fake make_fake(const FakeConfig& config, const std::optional<Denoiser>& network, at::Device device) {
  const auto* wanted = std::get_if<FakeNetworkConfig>(&config);
  if (wanted == nullptr) return {.config = config};
  if (!network) {
    throw config::ConfigError(
        "task.network: the teacher is no network that the fake score could copy; say which one");
  }
  if (wanted->dropout > 0 && !has_dropout(config_of(network_of(*network)->network)))
    throw config::ConfigError("task.fake.dropout: its network has no dropout");
  require_known("task.fake.sigma", range_of(wanted->sigma), valid_range(*network), "its network");
  if (wanted->augmentation > 0) {
    const ImageShape shape = image_shape(*network);
    require_augmentable("task.fake.augmentation", augment_dim(*network), shape.height, shape.width);
  }
  return {.config = config, .network = clone(*network), .sigma = make_sigma_source(wanted->sigma, device)};
}

int64_t updates_per_student(const FakeConfig& config) {
  const auto* network = std::get_if<FakeNetworkConfig>(&config);
  return network == nullptr ? 1 : network->updates_per_student;
}

bool learns_in_students_step(const FakeConfig& config) {
  const auto* network = std::get_if<FakeNetworkConfig>(&config);
  return network == nullptr || network->in_students_step;
}

bool is_posterior_mean(const FakeConfig& config) {
  return std::holds_alternative<FakeNetworkConfig>(config) || std::holds_alternative<ExactFakeConfig>(config);
}

DenoiserOutput fake_forward(const Fake& fake, const Student& student, const Denoiser& teacher,
                            const at::Tensor& x, const Shard& shard, const std::vector<std::string>& taps) {
  return std::visit(Forward{fake, student, teacher, x, shard, taps}, fake.config);
}

FakeLoss fake_losses(const Fake& fake, const Shard& shard, const std::vector<std::string>& taps) {
  const auto* c = std::get_if<FakeNetworkConfig>(&fake.config);
  if (c == nullptr) return {};
  FakeLoss out;
  out.sigma = draw_sigma(fake.sigma, shard.seed, Purpose::sigma, shard.indices);
  out.weight = loss_weight(c->weighting, out.sigma, preconditioning_of(fake));
  const auto [y, augment_labels] = augment(shard.y.detach(), c->augmentation, shard.seed, shard.indices);
  const at::Tensor x = noised(y, out.sigma, unit_noise(shard, Purpose::noise));
  DropoutStream masks = masks_of(*c, shard);
  DenoiserOutput seen =
      forward_guided(*fake.network, x, out.sigma,
                     {.condition = shard.condition, .augment_labels = augment_labels, .masks = &masks},
                     c->training_guidance, taps);
  out.losses = denoising_loss(seen.denoised, y, out.weight);
  if (c->reduction == "mean") out.losses = out.losses / static_cast<double>(x[0].numel());
  out.features = std::move(seen.features);
  return out;
}

Augmented augmented_real(const Fake& fake, const Shard& shard) {
  constexpr uint64_t kReal = 0xD1B54A32D192ED03;  // another key, so that no draw is a student image's
  const auto& c = std::get<FakeNetworkConfig>(fake.config);
  return augment(shard.real, c.augmentation, shard.seed + kReal, shard.indices);
}

std::vector<at::Tensor> real_features(const Fake& fake, const Shard& shard, const at::Tensor& real_x,
                                      const at::Tensor& sigma, const at::Tensor& augment_labels,
                                      const std::vector<std::string>& taps) {
  DropoutStream masks = masks_of(std::get<FakeNetworkConfig>(fake.config), shard, kRealLayers);
  return forward(*fake.network, real_x, sigma,
                 {.condition = shard.real_condition, .augment_labels = augment_labels, .masks = &masks},
                 {.taps = taps, .output = false})
      .features;
}

}  // namespace onestep
