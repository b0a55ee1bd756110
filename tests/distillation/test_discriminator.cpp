// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/ops/cat.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "config/config.h"
#include "distillation/discriminator.h"
#include "losses/finite.h"
#include "on_devices.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

/// A teacher whose parameters would gather gradients if any came their way, a fake score, and a shard.
struct Scene {
  at::Device device = at::kCPU;
  Denoiser teacher = trained(clone(picture_network(1), device));
  Fake fake = trained(make_fake(FakeNetworkConfig{}, clone(picture_network(2), device), device));
  Shard shard = drawn_shard(pictures(9), 20, 6, device);

  Discriminator discriminator(const DiscriminatorConfig& config) const {
    return trained(make_discriminator(config, teacher, kSeed, device));
  }
  DiscriminatorLoss losses(const Discriminator& discriminator,
                           const std::vector<at::Tensor>& features = {}) const {
    return discriminator_losses(discriminator, teacher, fake, shard, features);
  }
  at::Tensor logits(const Discriminator& discriminator, const at::Tensor& x,
                    const Condition& condition) const {
    return logits_of(discriminator, teacher, fake, x, shard.sigma, condition);
  }
  at::Tensor real_x() const {
    return shard.real + over_images(shard.sigma) * draws(shard, Purpose::real_noise, {1, 4, 4});
  }
};

struct Holder {
  Taps taps;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("taps", c.taps, "which");
  }
};

const DiscriminatorNetworks& networks_of(const Discriminator& discriminator) {
  return *discriminator.networks;
}

/// Linear maps from features to a logit, scaled.
void scale_heads(const Discriminator& discriminator, double factor) {
  for (const auto& [name, head] : networks_of(discriminator).heads.heads) {
    head.logit.weight.detach().mul_(factor);
    head.logit.bias.detach().mul_(factor);
  }
}

}  // namespace

DEVICE_TEST_CASE("Discriminator on the teacher's features: its heads learn, and nothing else",
                 "[distillation]") {
  const Scene s{device};
  const Discriminator discriminator = s.discriminator({.taps = listed({"4x4", "2x2"})});
  CHECK_FALSE(trains_encoder(discriminator.config));
  CHECK_FALSE(networks_of(discriminator).encoder.has_value());
  const DiscriminatorLoss seen = s.losses(discriminator);
  CHECK(seen.real_logits.sizes() == at::IntArrayRef{6, 2});
  CHECK_FALSE(seen.real_logits.requires_grad());
  CHECK_FALSE(seen.student_logits.requires_grad());
  seen.losses.sum().backward();
  CHECK(has_gradient(networks_of(discriminator).heads));
  CHECK_FALSE(has_gradient(s.teacher));
  CHECK_FALSE(has_gradient(*s.fake.network));

  // The student's adversarial term reaches its images.
  const at::Tensor x = s.shard.x().requires_grad_();
  const at::Tensor gradient =
      torch::autograd::grad({s.logits(discriminator, x, s.shard.condition).sum()}, {x})[0];
  CHECK(gradient.abs().amin({1, 2, 3}).amax().item<double>() > 0);
  CHECK(gradient.flatten(1).norm(2, 1).ge(1e-8).all().item<bool>());
}

TEST_CASE("Discriminator on the fake score's features: convolutional heads learn, the network does not") {
  const Scene s;
  const Discriminator discriminator = s.discriminator({.features = "fake"});
  CHECK(discriminator.taps == std::vector<std::string>{"4x4", "2x2"});  // all
  s.losses(discriminator).losses.sum().backward();
  CHECK(has_gradient(networks_of(discriminator).heads));
  CHECK_FALSE(has_gradient(*s.fake.network));
  // It does look through the fake score, not the teacher.
  const at::Tensor logits = s.logits(discriminator, s.shard.x(), s.shard.condition);
  const at::Tensor by_hand = forward(networks_of(discriminator).heads,
                                     forward(*s.fake.network, s.shard.x(), s.shard.sigma,
                                             {.condition = s.shard.condition}, {.taps = {"4x4", "2x2"}})
                                         .features);
  CHECK(relative_error(logits, by_hand) < 1e-6);
  CHECK(relative_error(s.logits(s.discriminator({.features = "teacher"}), s.shard.x(), s.shard.condition),
                       by_hand) > 1e-3);
}

/// The mean over channels at each of the lowest resolution's pixels, [6, 4], of images x at the fake score's
/// levels.
at::Tensor lowest_pixels(const Denoiser& network, const at::Tensor& x, const at::Tensor& sigma,
                         const Condition& condition) {
  return forward(network, x, sigma, {.condition = condition}, {.taps = {"2x2"}})
      .features[0]
      .mean(1)
      .reshape({6, 4});
}

DEVICE_TEST_CASE("SiDA: a logit for each pixel of the lowest resolution, at the fake score's noise levels",
                 "[distillation]") {
  const Scene s{device};
  Shard shard = s.shard;
  shard.condition = {s.shard.real_condition.classes.roll(1, 1)};  // the student was asked for other classes
  const Discriminator discriminator =
      s.discriminator({.features = "fake", .head = "pixel_mean", .taps = {.word = "deepest"}, .weight = 3});
  CHECK(discriminator.taps == std::vector<std::string>{"2x2"});
  CHECK(trains_encoder(discriminator.config));
  CHECK(shares_encoder(discriminator.config));
  CHECK_FALSE(discriminator.networks.has_value());  // nothing is its own

  const FakeLoss fake = fake_losses(s.fake, shard, discriminator.taps);
  const DiscriminatorLoss seen = shared_encoder_losses(discriminator, s.fake, shard, fake);
  const Denoiser& network = *s.fake.network;
  const at::Tensor sigma = (-1.2 + 1.2 * draws(shard, Purpose::sigma, {})).exp();
  const auto noisy = [&](const at::Tensor& clean, Purpose purpose) {
    return clean + over_images(sigma) * draws(shard, purpose, {1, 4, 4});
  };
  const at::Tensor student = lowest_pixels(network, noisy(shard.y, Purpose::noise), sigma, shard.condition);
  const at::Tensor real =
      lowest_pixels(network, noisy(shard.real, Purpose::real_noise), sigma, shard.real_condition);
  CHECK(relative_error(seen.student_logits, student) < 1e-5);
  CHECK(relative_error(seen.real_logits, real) < 1e-5);
  CHECK(relative_error(seen.sigma, sigma) < 1e-6);
  const at::Tensor weight = 1 / sigma.square() + 1 / 0.36;
  CHECK(relative_error(seen.losses,
                       3 * weight * 0.5 * (at::softplus(-real).mean(1) + at::softplus(student).mean(1))) <
        1e-5);

  (fake.losses + seen.losses).sum().backward();
  const Scene again{device};
  const auto by_hand = [&] {
    const Denoiser& net = *again.fake.network;
    const DenoiserOutput one = forward(net, noisy(shard.y, Purpose::noise), sigma,
                                       {.condition = shard.condition}, {.taps = {"2x2"}});
    const at::Tensor logits = one.features[0].mean(1).reshape({6, 4});
    const at::Tensor others =
        lowest_pixels(net, noisy(shard.real, Purpose::real_noise), sigma, shard.real_condition);
    return (weight * ((one.denoised - shard.y).square().flatten(1).sum(1) +
                      1.5 * (at::softplus(-others).mean(1) + at::softplus(logits).mean(1))))
        .sum();
  };
  by_hand().backward();
  CHECK(relative_error(gradients(network), gradients(*again.fake.network)) < 1e-4);
  CHECK_FALSE(has_gradient(s.teacher));

  const Discriminator own = s.discriminator({.features = "own", .head = "pixel_mean"});
  CHECK_FALSE(shares_encoder(own.config));
  CHECK(networks_of(own).heads.heads.empty());
  s.losses(own).losses.sum().backward();
  CHECK(has_gradient(*networks_of(own).encoder));
}

TEST_CASE("SiDA's R1 is weighed as its loss is") {
  const Scene s;
  DiscriminatorConfig config{.features = "fake", .head = "pixel_mean"};
  const auto losses = [&](const Discriminator& discriminator) {
    return shared_encoder_losses(discriminator, s.fake, s.shard,
                                 fake_losses(s.fake, s.shard, discriminator.taps));
  };
  const DiscriminatorLoss without = losses(s.discriminator(config));
  config.r1 = R1Config{.weight = 2, .step = 0.1};
  const Discriminator discriminator = s.discriminator(config);
  const DiscriminatorLoss with = losses(discriminator);
  const at::Tensor sigma = with.sigma;
  const at::Tensor real_x =
      s.shard.real + over_images(sigma) * draws(s.shard, Purpose::real_noise, {1, 4, 4});
  const at::Tensor moved =
      real_x + 0.1 * over_images(sigma) * draws(s.shard, Purpose::perturbation, {1, 4, 4});
  const at::Tensor after =
      logits(discriminator, forward(*s.fake.network, moved, sigma, {.condition = s.shard.real_condition},
                                    {.taps = discriminator.taps})
                                .features);
  const at::Tensor penalty = 2 * r1_penalty(with.real_logits, after, 0.1);
  CHECK(relative_error(with.losses - without.losses, 0.5 * (1 / sigma.square() + 1 / 0.36) * penalty) < 1e-3);
}

TEST_CASE("A sample with features that are not finite gets NaN for logits, and does not reach the heads") {
  const Scene s;
  const Discriminator discriminator = s.discriminator({});
  std::vector<at::Tensor> features = forward(s.teacher, s.shard.x(), s.shard.sigma,
                                             {.condition = s.shard.condition}, {.taps = {"4x4", "2x2"}})
                                         .features;
  for (at::Tensor& feature : features) feature = feature.detach().clone();
  const at::Tensor whole = logits(discriminator, features).detach();
  features[1][2][0][0][0] = NAN;
  const at::Tensor seen = logits(discriminator, features);
  CHECK(finite_samples(seen).equal(at::tensor({1, 1, 0, 1, 1, 1}).to(at::kBool)));
  CHECK(seen.slice(0, 3).equal(whole.slice(0, 3)));
  kept(at::softplus(seen).mean(1), finite_samples(seen)).sum().backward();
  CHECK(gradients(networks_of(discriminator).heads).isfinite().all().item<bool>());
  CHECK(has_gradient(networks_of(discriminator).heads));
}

DEVICE_TEST_CASE("Discriminator with an encoder of its own: that learns, and no other", "[distillation]") {
  const Scene s{device};
  const Discriminator discriminator = s.discriminator({.features = "own", .taps = listed({"2x2"})});
  CHECK(trains_encoder(discriminator.config));
  s.losses(discriminator).losses.sum().backward();
  CHECK(has_gradient(*networks_of(discriminator).encoder));
  CHECK(has_gradient(networks_of(discriminator).heads));
  CHECK_FALSE(has_gradient(s.teacher));
  CHECK_FALSE(has_gradient(*s.fake.network));
}

DEVICE_TEST_CASE(
    "The discriminator's loss: real images noised to the student's levels, with their own classes",
    "[distillation]") {
  const Scene s{device};
  Shard shard = s.shard;
  shard.condition = {s.shard.real_condition.classes.roll(1, 1)};  // the student was asked for other classes
  for (const std::string loss : {"logistic", "hinge"}) {
    const Discriminator discriminator = s.discriminator({.loss = loss});
    scale_heads(discriminator, 4);
    const DiscriminatorLoss seen = discriminator_losses(discriminator, s.teacher, s.fake, shard, {});
    const at::Tensor real = s.logits(discriminator, s.real_x(), shard.real_condition),
                     fake = s.logits(discriminator, shard.x(), shard.condition);
    CHECK(relative_error(seen.real_logits, real) < 1e-6);
    CHECK(relative_error(seen.student_logits, fake) < 1e-6);
    const at::Tensor expected = loss == "logistic"
                                    ? at::softplus(-real).mean(1) + at::softplus(fake).mean(1)
                                    : (1 - real).clamp_min(0).mean(1) + (1 + fake).clamp_min(0).mean(1);
    CHECK(relative_error(seen.losses, expected) < 1e-5);
    CHECK(relative_error(s.logits(discriminator, shard.x(), shard.real_condition), fake) >
          1e-3);  // classes are seen
  }
}

TEST_CASE("Features that the student's turn has seen give the loss of fresh ones") {
  for (const std::string encoder : {"teacher", "fake"}) {
    const Scene s;
    const Discriminator discriminator = s.discriminator({.features = encoder});
    std::vector<at::Tensor> features;
    const Denoiser& network = encoder == "teacher" ? s.teacher : *s.fake.network;
    for (const at::Tensor& f : forward(network, s.shard.x(), s.shard.sigma, {.condition = s.shard.condition},
                                       {.taps = {"4x4", "2x2"}})
                                   .features)
      features.push_back(f.detach());
    const DiscriminatorLoss cached = s.losses(discriminator, features), fresh = s.losses(discriminator);
    CHECK(relative_error(cached.losses, fresh.losses) < 1e-6);
    CHECK(relative_error(cached.student_logits, fresh.student_logits) < 1e-6);
    // They are indeed what is looked at.
    for (at::Tensor& f : features) f = f.flip(0);
    CHECK(relative_error(s.losses(discriminator, features).student_logits, fresh.student_logits.flip(0)) <
          1e-5);
  }
}

TEST_CASE("R1 perturbs the noised real image at its own noise level") {
  const Scene s;
  constexpr double kWeight = 3, kStep = 0.01;
  const DiscriminatorConfig plain{}, config{.r1 = R1Config{.weight = kWeight, .step = kStep}};
  const auto penalty = [&](double scale) {
    const Discriminator without = s.discriminator(plain), with = s.discriminator(config);
    scale_heads(without, scale);
    scale_heads(with, scale);
    return (s.losses(with).losses - s.losses(without).losses).detach();
  };
  const Discriminator discriminator = s.discriminator(config);
  const at::Tensor perturbed =
      s.real_x() + kStep * over_images(s.shard.sigma) * draws(s.shard, Purpose::perturbation, {1, 4, 4});
  const at::Tensor rise = (s.logits(discriminator, perturbed, s.shard.real_condition) -
                           s.logits(discriminator, s.real_x(), s.shard.real_condition)) /
                          kStep;
  CHECK(relative_error(penalty(1), kWeight * (0.5 * rise.square()).mean(1)) < 1e-3);

  // In the limit it is the slope of the logits along the perturbation, in units of sigma.
  const at::Tensor x = s.real_x().requires_grad_();
  at::Tensor expected = at::full({6}, 0.0);
  for (int64_t head = 0; head < 2; ++head) {
    const at::Tensor logit = s.logits(discriminator, x, s.shard.real_condition).select(1, head);
    const at::Tensor slope = torch::autograd::grad({logit.sum()}, {x})[0] * over_images(s.shard.sigma) *
                             draws(s.shard, Purpose::perturbation, {1, 4, 4});
    expected = expected + kWeight * 0.5 * slope.sum({1, 2, 3}).square() / 2;
  }
  CHECK(relative_error(penalty(1), expected) < 0.1);

  CHECK(penalty(0).abs().max().item<double>() == 0);  // logits that do not look at x
  CHECK(relative_error(penalty(3), 9 * penalty(1)) < 1e-2);

  s.losses(discriminator).losses.sum().backward();
  CHECK(has_gradient(networks_of(discriminator).heads));
  CHECK_FALSE(has_gradient(s.teacher));
}

TEST_CASE("A discriminator sees the deepest tap, all, or a list") {
  const auto read = [](const std::string& value) {
    return config::read<Holder>(config::parse("{taps: " + value + "}", "test")).taps;
  };
  const Denoiser network = picture_network(1);
  const auto of = [&](const std::string& value) { return resolved(read(value), network, "key"); };
  CHECK(of("deepest") == std::vector<std::string>{"2x2"});
  CHECK(of("all") == std::vector<std::string>{"4x4", "2x2"});
  CHECK(of("[4x4]") == std::vector<std::string>{"4x4"});
  for (const char* value : {"deepest", "[2x2, 4x4]"}) {
    INFO(value);
    const Holder holder{read(value)};
    CHECK(of(config::flow_text(config::encode(holder).children.at(0))) ==
          resolved(holder.taps, network, "key"));
  }
  for (const auto& [value, said] : {std::pair("[]", "deepest, all, or a list"),
                                    {"deepst", "did you mean 'deepest'?"},
                                    {"14", "deepest, all, or a list"},
                                    {"['']", "expected"}}) {
    INFO(value);
    CHECK_THAT(config_error([&] { read(value); }), Catch::Contains(said));
  }
  CHECK_THAT(config::help<Holder>(), Catch::Contains("deepest, all, or a"));
}

TEST_CASE("Discriminators that make no sense say so") {
  const Scene s;
  CHECK_THAT(config_error([&] {
               s.discriminator({.taps = listed({"4x4", "3x3"})});
             }),
             Catch::Contains("task.discriminator.taps") && Catch::Contains("no tap '3x3'"));
  CHECK_THAT(config_error([&] {
               s.discriminator({.taps = listed({"4x4", "4x4"})});
             }),
             Catch::Contains("task.discriminator.taps") && Catch::Contains("4x4 twice"));
  const auto read = [](const std::string& yaml) {
    return config_error([&] { config::read<DiscriminatorConfig>(config::parse(yaml, "test")); });
  };
  CHECK(read("{head: pixel_mean, features: fake, r1: {weight: 2}}").empty());
  CHECK_THAT(read("{head: pixel_mean}"), Catch::Contains("frozen teacher"));
  CHECK_THAT(read("{loss: hing}"), Catch::Contains("hinge"));
  CHECK_THAT(read("{features: students}"), Catch::Contains("features"));
  CHECK_THAT(read("{r1: {step: 0}}"), Catch::Contains("step"));
  CHECK_THAT(read("{r1: {weight: -1}}"), Catch::Contains("weight"));
}
