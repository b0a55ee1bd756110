// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/linspace.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "distillation/fake.h"
#include "networks/guidance.h"
#include "on_devices.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

Student edited(int64_t target) {
  return make_student(ParticlesConfig{.count = 9, .start = "data", .target_class = target}, {}, points(9),
                      kSeed, at::kCPU);
}

/// A part with its student's images and classes.
Shard shard_with(const Student& student, int64_t first = 20, int64_t n = 7) {
  Shard shard = drawn_shard(points(9), first, n);
  shard.condition = student_condition(student, shard);
  shard.y = student_images(student, shard).detach();
  return shard;
}

/// What the fake score says at the shard's own x.
DenoiserOutput look(const Fake& fake, const Student& student, const Denoiser& teacher, const Shard& shard,
                    const std::vector<std::string>& taps = {}) {
  return fake_forward(fake, student, teacher, shard.x(), shard, taps);
}

/// D^w by its definition.
at::Tensor guided(const Denoiser& d, const at::Tensor& x, const at::Tensor& sigma, const Condition& condition,
                  double w) {
  const at::Tensor with = denoise(d, x, sigma, condition),
                   without = denoise(d, x, sigma, Condition{at::zeros_like(condition.classes)});
  return w * with + (1 - w) * without;
}

}  // namespace

TEST_CASE("A point's fake score is the image itself") {
  const Student student = edited(1);
  const Shard shard = shard_with(student);
  const Fake fake = make_fake(PointFakeConfig{}, {});
  const DenoiserOutput seen = look(fake, student, point_network(3), shard);
  CHECK(seen.denoised.equal(shard.y));
  CHECK(seen.features.empty());
  CHECK_FALSE(fake.network.has_value());
}

TEST_CASE("DDS: an image that is its own reference, with its own class, stays where it is") {
  const Denoiser teacher = point_network(3);
  const Fake fake = make_fake(ReferenceFakeConfig{}, {});
  Student student = edited(1);
  const Shard shard = shard_with(student);
  // Particles 1, 4, 7 are of class 1 already; the others are to change.
  const at::Tensor gap = denoise(teacher, shard.x(), shard.sigma, shard.condition) -
                         look(fake, student, teacher, shard).denoised;
  for (int64_t i = 0; i < 7; ++i) {
    const double length = gap[i].abs().max().item<double>();
    if ((20 + i) % 9 % 3 == 1) {
      CHECK(length < 1e-6);
    } else {
      CHECK(length > 1e-3);
    }
  }
  // By its formula where the image has moved away: D_q = y + D_p(ŷ + σε; ĉ) − ŷ.
  std::get<Particles>(student.form).images.add_(0.5);
  const Shard moved = shard_with(student);
  const at::Tensor numbers = moved.indices.remainder(9), clean = points(9).images.index_select(0, numbers);
  const at::Tensor classes = std::get<Particles>(student.form).reference_labels.index_select(0, numbers);
  const at::Tensor expected =
      clean + 0.5 +
      denoise(teacher, clean + over_images(moved.sigma) * moved.epsilon, moved.sigma, Condition{classes}) -
      clean;
  CHECK(relative_error(look(fake, student, teacher, moved).denoised, expected) < 1e-5);
}

TEST_CASE("DDS: what is taken off is guided as the teacher is") {
  const Denoiser teacher = point_network(3);
  const Student student = edited(1);
  const Shard shard = shard_with(student, 1, 1);  // of class 1 already
  const Fake fake = make_fake(ReferenceFakeConfig{.guidance = 3}, {});
  const at::Tensor teachers = guided(teacher, shard.x(), shard.sigma, shard.condition, 3);
  CHECK(relative_error(look(fake, student, teacher, shard).denoised, teachers) < 1e-5);
  CHECK(relative_error(look(make_fake(ReferenceFakeConfig{}, {}), student, teacher, shard).denoised,
                       teachers) > 1e-2);
}

TEST_CASE("DDS works without classes") {
  const Denoiser teacher = point_network(3, /*label_dim=*/0);
  const Student student = edited(1);
  Shard shard = shard_with(student);
  shard.condition = {};
  CHECK(relative_error(look(make_fake(ReferenceFakeConfig{}, {}), student, teacher, shard).denoised,
                       denoise(teacher, shard.x(), shard.sigma, Condition())) < 1e-5);
}

TEST_CASE("An exact fake score follows the student") {
  const Fake fake = make_fake(ExactFakeConfig{}, {});
  Student student =
      make_student(GaussianStudentConfig{.mean = 1, .std = 0.5}, {}, points(9), kSeed, at::kCPU);
  const Shard shard = shard_with(student);
  const at::Tensor gain = over_images(0.25 / (0.25 + shard.sigma.square()));
  CHECK(relative_error(look(fake, student, point_network(3), shard).denoised, 1 + gain * (shard.x() - 1)) <
        1e-5);
  std::get<GaussianStudent>(student.form).mean.fill_(-2);
  CHECK(relative_error(look(fake, student, point_network(3), shard).denoised, -2 + gain * (shard.x() + 2)) <
        1e-5);

  // Gradient flows through x, where the expanded branch asks for it.
  const at::Tensor x = shard.x().requires_grad_();
  fake_forward(fake, student, point_network(3), x, shard, {}).denoised.sum().backward();
  CHECK(relative_error(x.grad(), gain.expand_as(x)) < 1e-5);
}

TEST_CASE("A fake-score network is compared with guidance, and seen through the pass with classes") {
  const Denoiser network = point_network(4);
  const Student student = edited(1);
  const Shard shard = shard_with(student);
  const Fake plain = make_fake(FakeNetworkConfig{}, network);
  CHECK(look(plain, student, point_network(3), shard)
            .denoised.equal(denoise(network, shard.x(), shard.sigma, shard.condition)));
  for (const double w : {0.0, 0.5, 3.0}) {
    const Fake fake = make_fake(FakeNetworkConfig{.guidance = w, .training_guidance = 7}, network);
    const DenoiserOutput seen = look(fake, student, point_network(3), shard, {"hidden"});
    CHECK(relative_error(seen.denoised, guided(network, shard.x(), shard.sigma, shard.condition, w)) < 1e-5);
    CHECK(relative_error(seen.features.at(0), forward(network, shard.x(), shard.sigma,
                                                      {.condition = shard.condition}, {.taps = {"hidden"}})
                                                  .features[0]) < 1e-6);
  }
  Shard unlabelled = shard;
  unlabelled.condition = {};
  CHECK_THROWS_WITH(
      look(make_fake(FakeNetworkConfig{.guidance = 2}, network), student, point_network(3), unlabelled),
      Catch::Contains("guidance 2") && Catch::Contains("class-conditional"));
}

DEVICE_TEST_CASE("The fake score learns by the denoising loss, at noise levels of its own",
                 "[distillation]") {
  const Shard shard = drawn_shard(points(9), 30, 6, device);
  const Denoiser network = clone(point_network(4), device);
  const LogNormalLaw law{.mean = 0.3, .std = 0.8};
  for (const double w : {1.0, 1.5}) {
    const Fake fake = make_fake(FakeNetworkConfig{.sigma = law, .training_guidance = w}, network, device);
    const at::Tensor sigma = (0.3 + 0.8 * draws(shard, Purpose::sigma, {})).exp();
    const at::Tensor noisy = shard.y + over_images(sigma) * draws(shard, Purpose::noise, {2, 1, 1});
    const at::Tensor error = guided(network, noisy, sigma, shard.condition, w) - shard.y;
    const at::Tensor weight = (sigma.square() + 0.36) / (sigma * 0.6).square();
    const at::Tensor expected = weight * error.square().flatten(1).sum(1);
    const FakeLoss seen = fake_losses(fake, shard);
    CHECK(relative_error(seen.losses, expected) < 1e-5);
    CHECK(relative_error(seen.sigma, sigma) < 1e-6);
    CHECK(relative_error(seen.weight, weight) < 1e-5);
    const Fake mean = make_fake(FakeNetworkConfig{.sigma = law, .reduction = "mean", .training_guidance = w},
                                network, device);
    CHECK(relative_error(fake_losses(mean, shard).losses, expected / 2) < 1e-5);  // two coordinates
  }
  const Fake flat = trained(make_fake(FakeNetworkConfig{.sigma = law, .weighting = "none"}, network, device));
  CHECK(fake_losses(flat, shard).weight.eq(1).all().item<bool>());

  // It is the network that learns: a copy, and not the student.
  Shard attached = shard;
  attached.y = shard.y.clone().requires_grad_();
  fake_losses(flat, attached).losses.sum().backward();
  CHECK(has_gradient(*flat.network));
  CHECK_FALSE(has_gradient(network));
  CHECK_FALSE(fake_losses(make_fake(PointFakeConfig{}, {}), shard).losses.defined());
}

TEST_CASE("The fake score's dropout: masks by image, others for real images, none without a rate") {
  const Shard shard = drawn_shard(pictures(9), 30, 6);
  const Denoiser network = picture_network(4);
  const auto with = [&](double rate) { return make_fake(FakeNetworkConfig{.dropout = rate}, network); };
  const at::Tensor plain = fake_losses(with(0), shard).losses;
  const Fake fake = with(0.3);
  const FakeLoss seen = fake_losses(fake, shard, {"2x2"});
  CHECK(relative_error(seen.losses, plain) > 1e-2);
  const at::Tensor x = shard.y + over_images(seen.sigma) * draws(shard, Purpose::noise, {1, 4, 4});
  const auto by_hand = [&](uint64_t layer) {
    DropoutStream masks{.rate = 0.3, .seed = kSeed, .indices = shard.indices, .layer = layer};
    return forward(network, x, seen.sigma, {.condition = shard.condition, .masks = &masks},
                   {.taps = {"2x2"}});
  };
  const DenoiserOutput student = by_hand(0);
  CHECK(relative_error(seen.losses, seen.weight * (student.denoised - shard.y).square().flatten(1).sum(1)) <
        1e-5);
  CHECK(relative_error(seen.features[0], student.features[0]) < 1e-6);
  // An image's mask does not depend on who is beside it.
  Shard half = drawn_shard(pictures(9), 33, 3);
  half.y = shard.y.slice(0, 3);
  CHECK(relative_error(fake_losses(fake, half).losses, seen.losses.slice(0, 3)) < 1e-5);
  // A real image has masks of its own.
  const at::Tensor real = real_features(fake, shard, x, seen.sigma, {}, {"2x2"})[0];
  CHECK(relative_error(real, by_hand(kRealLayers).features[0]) < 1e-6);
  CHECK(relative_error(real, student.features[0]) > 1e-2);
  CHECK_THAT(config_error([] { make_fake(FakeNetworkConfig{.dropout = 0.1}, point_network(4)); }),
             Catch::Contains("task.fake.dropout"));
}

TEST_CASE("The fake score's augmentation: it learns from changed images, is told how, and is asked without") {
  Denoiser network = make_denoiser({.preconditioning = {.sigma_data = 0.6},
                                    .network = SongUNetConfig{.img_resolution = 8,
                                                              .img_channels = 1,
                                                              .label_dim = 3,
                                                              .augment_dim = 9,
                                                              .model_channels = 8,
                                                              .channel_mult = {1},
                                                              .num_blocks = 1,
                                                              .attn_resolutions = {}}},
                                   4);
  for (auto& [name, tensor] : named_tensors(network))
    if (name.ends_with("conv1.weight") || name.ends_with("aux_conv.weight")) tensor.mul_(1e5);
  Dataset data = pictures(9);
  data.images = normal({1, 8, 8}, 9, 3);
  const Shard shard = drawn_shard(data, 30, 6);
  const Fake fake = make_fake(FakeNetworkConfig{.augmentation = 0.9}, network);
  const FakeLoss seen = fake_losses(fake, shard, {"8x8"});
  const Augmented changed = augment(shard.y, 0.9, kSeed, shard.indices);
  const at::Tensor x = changed.images + over_images(seen.sigma) * draws(shard, Purpose::noise, {1, 8, 8});
  const auto told = [&](const at::Tensor& labels) {
    return denoise(network, x, seen.sigma, {.condition = shard.condition, .augment_labels = labels});
  };
  const auto losses = [&](const at::Tensor& denoised) {
    return seen.weight * (denoised - changed.images).square().flatten(1).sum(1);
  };
  CHECK(relative_error(seen.losses, losses(told(changed.labels))) < 1e-5);
  CHECK(relative_error(seen.losses, losses(told({}))) > 1e-3);
  // Real images by draws of their own.
  const Augmented real = augmented_real(fake, shard);
  CHECK_FALSE(real.labels.equal(changed.labels));
  CHECK(relative_error(real.images, shard.real) > 1e-2);
  CHECK(augmented_real(make_fake(FakeNetworkConfig{}, network), shard).images.is_same(shard.real));
  CHECK_THAT(config_error([] { make_fake(FakeNetworkConfig{.augmentation = 0.1}, picture_network(4)); }),
             Catch::Contains("task.fake.augmentation: takes a network with augment_dim: 9, but it has 0"));
}

TEST_CASE("What a kind of fake score is good for") {
  CHECK(learns_in_students_step(FakeNetworkConfig{}));
  CHECK_FALSE(
      learns_in_students_step(FakeNetworkConfig{.updates_per_student = 5, .in_students_step = false}));
  CHECK(learns_in_students_step(PointFakeConfig{}));
  CHECK(FakeNetworkConfig{.updates_per_student = 5, .in_students_step = false}.problem().empty());
  CHECK_THAT((FakeNetworkConfig{.in_students_step = false}.problem()), Catch::Contains("no step"));
  CHECK(updates_per_student(FakeNetworkConfig{.updates_per_student = 5}) == 5);
  for (const FakeConfig& config :
       {FakeConfig(PointFakeConfig{}), FakeConfig(ReferenceFakeConfig{}), FakeConfig(ExactFakeConfig{})}) {
    CHECK(updates_per_student(config) == 1);
  }
  CHECK(is_posterior_mean(FakeNetworkConfig{}));
  CHECK(is_posterior_mean(ExactFakeConfig{}));
  CHECK_FALSE(is_posterior_mean(PointFakeConfig{}));
  CHECK_FALSE(is_posterior_mean(ReferenceFakeConfig{}));
  CHECK_THAT(config_error([] { make_fake(FakeNetworkConfig{}, {}); }), Catch::Contains("task.network"));
}
