// SPDX-License-Identifier: Apache-2.0
#include "distillation/fake.h"

#include <ATen/TensorOperators.h>

#include "config/node.h"
#include "losses/denoising.h"
#include "networks/guidance.h"

namespace onestep {
namespace {

struct Look {
  const Fake& fake;
  const Student& student;
  const Denoiser& teacher;
  const at::Tensor& x;
  const Part& part;
  const std::vector<int64_t>& resolutions;

  Perceived operator()(const FakeNetworkConfig& c) const {
    return perceive_guided(fake.network->module, x, part.sigma, {.labels = part.labels}, c.guidance,
                           resolutions);
  }
  Perceived operator()(const PointFakeConfig&) const { return {part.y.detach(), {}}; }
  Perceived operator()(const ReferenceFakeConfig& c) const {
    const auto& particles = std::get<Particles>(student.form);
    const at::Tensor reference = of_part(particles.reference, part);
    const at::Tensor labels =
        part.labels.defined() ? of_part(particles.reference_labels, part) : at::Tensor();
    const at::Tensor noisy = noised(reference, part.sigma, part.epsilon);
    const at::Tensor expected =
        perceive_guided(teacher, noisy, part.sigma, {.labels = labels}, c.guidance).denoised;
    return {part.y.detach() + expected - reference, {}};
  }
  Perceived operator()(const ExactFakeConfig&) const {
    return {denoise(*exact_density(student), x, part.sigma), {}};
  }
};

/// Dropout masks of a pass over a part's student images, or its real ones: layers are numbered on from
/// `layer`, so that no two passes have one mask.
DropoutStream masks_of(const FakeNetworkConfig& config, const Part& part, uint64_t layer = 0) {
  return {.rate = config.dropout, .seed = part.seed, .indices = part.indices, .layer = layer};
}

}  // namespace

Fake make_fake(const FakeConfig& config, const std::optional<Denoiser>& network) {
  const auto* wanted = std::get_if<FakeNetworkConfig>(&config);
  if (wanted == nullptr) return {.config = config};
  if (!network) {
    throw config::ConfigError(
        "task.network: the teacher is no network that the fake score could copy; say which one");
  }
  if (wanted->dropout > 0 && !std::holds_alternative<SongUNet>(network->network))
    throw config::ConfigError("task.fake.dropout: its network has no dropout; only a song_unet has");
  if (wanted->augmentation > 0) {
    const ImageShape shape = image_shape(*network);
    require_augmentable("task.fake.augmentation", augment_dim(*network), shape.height, shape.width);
  }
  return {.config = config, .network = make_trainee(clone(*network), wanted->optimizer)};
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

Perceived perceive(const Fake& fake, const Student& student, const Denoiser& teacher, const at::Tensor& x,
                   const Part& part, const std::vector<int64_t>& resolutions) {
  return std::visit(Look{fake, student, teacher, x, part, resolutions}, fake.config);
}

FakeLoss fake_losses(const Fake& fake, const Part& part, double sigma_data,
                     const std::vector<int64_t>& resolutions) {
  const auto* c = std::get_if<FakeNetworkConfig>(&fake.config);
  if (c == nullptr) return {};
  FakeLoss out;
  out.sigma = draw_sigma(c->sigma, part.seed, Purpose::sigma, part.indices, part.y.device());
  out.weight = loss_weight(c->weighting, out.sigma, sigma_data);
  const auto [y, augment_labels] = augment(part.y.detach(), c->augmentation, part.seed, part.indices);
  const at::Tensor x = noised(y, out.sigma, unit_noise(part, Purpose::noise));
  DropoutStream masks = masks_of(*c, part);
  Perceived seen = perceive_guided(fake.network->module, x, out.sigma,
                                   {.labels = part.labels, .augment_labels = augment_labels, .masks = &masks},
                                   c->training_guidance, resolutions);
  out.losses = denoising_loss(seen.denoised, y, out.weight);
  if (c->reduction == "mean") out.losses = out.losses / static_cast<double>(x[0].numel());
  out.features = std::move(seen.features);
  return out;
}

Augmented augmented_real(const Fake& fake, const Part& part) {
  constexpr uint64_t kReal = 0xD1B54A32D192ED03;  // another key, so that no draw is a student image's
  const auto& c = std::get<FakeNetworkConfig>(fake.config);
  return augment(part.real, c.augmentation, part.seed + kReal, part.indices);
}

std::vector<at::Tensor> real_features(const Fake& fake, const Part& part, const at::Tensor& real_x,
                                      const at::Tensor& sigma, const at::Tensor& augment_labels,
                                      const std::vector<int64_t>& resolutions) {
  DropoutStream masks = masks_of(std::get<FakeNetworkConfig>(fake.config), part, kRealLayers);
  return perceive(fake.network->module, real_x, sigma,
                  {.labels = part.real_labels, .augment_labels = augment_labels, .masks = &masks},
                  resolutions, /*decoded=*/false)
      .features;
}

}  // namespace onestep
