// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/ops/cat.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "config/config.h"
#include "distillation/critic.h"
#include "losses/finite.h"
#include "on_devices.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

/// A teacher whose parameters would gather gradients if any came their way, a fake score, and a part.
struct Scene {
  at::Device device = at::kCPU;
  Denoiser teacher = trained(clone(picture_network(1), device));
  Fake fake = make_fake(FakeNetworkConfig{}, clone(picture_network(2), device));
  Part part = drawn_part(pictures(9), 20, 6, device);

  Critic critic(const DiscriminatorConfig& config) const {
    return make_critic(config, teacher, kSeed, device);
  }
  CriticLoss losses(const Critic& critic, const std::vector<at::Tensor>& features = {}) const {
    return critic_losses(critic, teacher, fake, part, features);
  }
  at::Tensor logits(const Critic& critic, const at::Tensor& x, const at::Tensor& labels) const {
    return logits_of(critic, teacher, fake, x, part.sigma, labels);
  }
  at::Tensor real_x() const {
    return part.real + over_images(part.sigma) * draws(part, Purpose::real_noise, {1, 4, 4});
  }
};

struct Holder {
  Resolutions resolutions;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("resolutions", c.resolutions, "which");
  }
};

const CriticNetworks& networks_of(const Critic& critic) {
  return critic.networks->module;
}

/// Linear maps from features to a logit, scaled.
void scale_heads(const Critic& critic, double factor) {
  for (const auto& [name, head] : networks_of(critic).heads.heads) {
    head.logit.weight.detach().mul_(factor);
    head.logit.bias.detach().mul_(factor);
  }
}

}  // namespace

DEVICE_TEST_CASE("Critic on the teacher's features: its heads learn, and nothing else", "[distillation]") {
  const Scene s{device};
  const Critic critic = s.critic({.resolutions = listed({4, 2})});
  CHECK_FALSE(trains_encoder(critic.config));
  CHECK_FALSE(networks_of(critic).eye.has_value());
  const CriticLoss seen = s.losses(critic);
  CHECK(seen.real_logits.sizes() == at::IntArrayRef{6, 2});
  CHECK_FALSE(seen.real_logits.requires_grad());
  CHECK_FALSE(seen.student_logits.requires_grad());
  seen.losses.sum().backward();
  CHECK(has_gradient(networks_of(critic).heads));
  CHECK_FALSE(has_gradient(s.teacher));
  CHECK_FALSE(has_gradient(s.fake.network->module));

  // The student's adversarial term reaches its images.
  const at::Tensor x = s.part.x().requires_grad_();
  const at::Tensor gradient = torch::autograd::grad({s.logits(critic, x, s.part.labels).sum()}, {x})[0];
  CHECK(gradient.abs().amin({1, 2, 3}).amax().item<double>() > 0);
  CHECK(gradient.flatten(1).norm(2, 1).ge(1e-8).all().item<bool>());
}

TEST_CASE("Critic on the fake score's features: convolutional heads learn, the network does not") {
  const Scene s;
  const Critic critic = s.critic({.features = "fake"});
  CHECK(critic.resolutions == std::vector<int64_t>{4, 2});  // all
  s.losses(critic).losses.sum().backward();
  CHECK(has_gradient(networks_of(critic).heads));
  CHECK_FALSE(has_gradient(s.fake.network->module));
  // It does look through the fake score, not the teacher.
  const at::Tensor logits = s.logits(critic, s.part.x(), s.part.labels);
  const at::Tensor by_hand =
      forward(networks_of(critic).heads,
              perceive(s.fake.network->module, s.part.x(), s.part.sigma, s.part.labels, {4, 2}).features);
  CHECK(relative_error(logits, by_hand) < 1e-6);
  CHECK(relative_error(s.logits(s.critic({.features = "teacher"}), s.part.x(), s.part.labels), by_hand) >
        1e-3);
}

/// The mean over channels at each of the lowest resolution's pixels, [6, 4], of images x at the fake score's
/// levels.
at::Tensor lowest_pixels(const Denoiser& network, const at::Tensor& x, const at::Tensor& sigma,
                         const at::Tensor& labels) {
  return perceive(network, x, sigma, labels, {2}).features[0].mean(1).reshape({6, 4});
}

DEVICE_TEST_CASE("SiDA: a logit for each pixel of the lowest resolution, at the fake score's noise levels",
                 "[distillation]") {
  const Scene s{device};
  Part part = s.part;
  part.labels = s.part.real_labels.roll(1, 1);  // the student was asked for other classes
  const Critic critic =
      s.critic({.features = "fake", .head = "pixel_mean", .resolutions = {.named = "lowest"}, .weight = 3});
  CHECK(critic.resolutions == std::vector<int64_t>{2});
  CHECK(trains_encoder(critic.config));
  CHECK(shares_encoder(critic.config));
  CHECK_FALSE(critic.networks.has_value());  // nothing is its own

  const FakeLoss fake = fake_losses(s.fake, part, 0.6, critic.resolutions);
  const CriticLoss seen = shared_critic_losses(critic, s.fake, part, fake);
  const Denoiser& network = s.fake.network->module;
  const at::Tensor sigma = (-1.2 + 1.2 * draws(part, Purpose::sigma, {})).exp();
  const auto noisy = [&](const at::Tensor& clean, Purpose purpose) {
    return clean + over_images(sigma) * draws(part, purpose, {1, 4, 4});
  };
  const at::Tensor student = lowest_pixels(network, noisy(part.y, Purpose::noise), sigma, part.labels);
  const at::Tensor real =
      lowest_pixels(network, noisy(part.real, Purpose::real_noise), sigma, part.real_labels);
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
    const Denoiser& net = again.fake.network->module;
    const Perceived one = perceive(net, noisy(part.y, Purpose::noise), sigma, part.labels, {2});
    const at::Tensor logits = one.features[0].mean(1).reshape({6, 4});
    const at::Tensor others =
        lowest_pixels(net, noisy(part.real, Purpose::real_noise), sigma, part.real_labels);
    return (weight * ((one.denoised - part.y).square().flatten(1).sum(1) +
                      1.5 * (at::softplus(-others).mean(1) + at::softplus(logits).mean(1))))
        .sum();
  };
  by_hand().backward();
  CHECK(relative_error(gradients(network), gradients(again.fake.network->module)) < 1e-4);
  CHECK_FALSE(has_gradient(s.teacher));

  const Critic own = s.critic({.features = "own", .head = "pixel_mean"});
  CHECK_FALSE(shares_encoder(own.config));
  CHECK(networks_of(own).heads.heads.empty());
  s.losses(own).losses.sum().backward();
  CHECK(has_gradient(*networks_of(own).eye));
}

TEST_CASE("SiDA's R1 is weighed as its loss is") {
  const Scene s;
  DiscriminatorConfig config{.features = "fake", .head = "pixel_mean"};
  const auto losses = [&](const Critic& critic) {
    return shared_critic_losses(critic, s.fake, s.part, fake_losses(s.fake, s.part, 0.6, critic.resolutions));
  };
  const CriticLoss without = losses(s.critic(config));
  config.r1 = R1Config{.weight = 2, .step = 0.1};
  const Critic critic = s.critic(config);
  const CriticLoss with = losses(critic);
  const at::Tensor sigma = with.sigma;
  const at::Tensor real_x = s.part.real + over_images(sigma) * draws(s.part, Purpose::real_noise, {1, 4, 4});
  const at::Tensor moved =
      real_x + 0.1 * over_images(sigma) * draws(s.part, Purpose::perturbation, {1, 4, 4});
  const at::Tensor after =
      logits(critic,
             perceive(s.fake.network->module, moved, sigma, s.part.real_labels, critic.resolutions).features);
  const at::Tensor penalty = 2 * r1_penalty(with.real_logits, after, 0.1);
  CHECK(relative_error(with.losses - without.losses, 0.5 * (1 / sigma.square() + 1 / 0.36) * penalty) < 1e-3);
}

TEST_CASE("A sample with features that are not finite gets NaN for logits, and does not reach the heads") {
  const Scene s;
  const Critic critic = s.critic({});
  std::vector<at::Tensor> features =
      perceive(s.teacher, s.part.x(), s.part.sigma, s.part.labels, {4, 2}).features;
  for (at::Tensor& feature : features) feature = feature.detach().clone();
  const at::Tensor whole = logits(critic, features).detach();
  features[1][2][0][0][0] = NAN;
  const at::Tensor seen = logits(critic, features);
  CHECK(finite_samples(seen).equal(at::tensor({1, 1, 0, 1, 1, 1}).to(at::kBool)));
  CHECK(seen.slice(0, 3).equal(whole.slice(0, 3)));
  kept(at::softplus(seen).mean(1), finite_samples(seen)).sum().backward();
  CHECK(gradients(networks_of(critic).heads).isfinite().all().item<bool>());
  CHECK(has_gradient(networks_of(critic).heads));
}

DEVICE_TEST_CASE("Critic with an encoder of its own: that learns, and no other", "[distillation]") {
  const Scene s{device};
  const Critic critic = s.critic({.features = "own", .resolutions = listed({2})});
  CHECK(trains_encoder(critic.config));
  s.losses(critic).losses.sum().backward();
  CHECK(has_gradient(*networks_of(critic).eye));
  CHECK(has_gradient(networks_of(critic).heads));
  CHECK_FALSE(has_gradient(s.teacher));
  CHECK_FALSE(has_gradient(s.fake.network->module));
}

DEVICE_TEST_CASE("The critic's loss: real images noised to the student's levels, with their own classes",
                 "[distillation]") {
  const Scene s{device};
  Part part = s.part;
  part.labels = s.part.real_labels.roll(1, 1);  // the student was asked for other classes
  for (const std::string loss : {"logistic", "hinge"}) {
    const Critic critic = s.critic({.loss = loss});
    scale_heads(critic, 4);
    const CriticLoss seen = critic_losses(critic, s.teacher, s.fake, part, {});
    const at::Tensor real = s.logits(critic, s.real_x(), part.real_labels),
                     fake = s.logits(critic, part.x(), part.labels);
    CHECK(relative_error(seen.real_logits, real) < 1e-6);
    CHECK(relative_error(seen.student_logits, fake) < 1e-6);
    const at::Tensor expected = loss == "logistic"
                                    ? at::softplus(-real).mean(1) + at::softplus(fake).mean(1)
                                    : (1 - real).clamp_min(0).mean(1) + (1 + fake).clamp_min(0).mean(1);
    CHECK(relative_error(seen.losses, expected) < 1e-5);
    CHECK(relative_error(s.logits(critic, part.x(), part.real_labels), fake) > 1e-3);  // classes are seen
  }
}

TEST_CASE("Features that the student's turn has seen give the loss of fresh ones") {
  for (const std::string eye : {"teacher", "fake"}) {
    const Scene s;
    const Critic critic = s.critic({.features = eye});
    std::vector<at::Tensor> features;
    const Denoiser& network = eye == "teacher" ? s.teacher : s.fake.network->module;
    for (const at::Tensor& f : perceive(network, s.part.x(), s.part.sigma, s.part.labels, {4, 2}).features)
      features.push_back(f.detach());
    const CriticLoss cached = s.losses(critic, features), fresh = s.losses(critic);
    CHECK(relative_error(cached.losses, fresh.losses) < 1e-6);
    CHECK(relative_error(cached.student_logits, fresh.student_logits) < 1e-6);
    // They are indeed what is looked at.
    for (at::Tensor& f : features) f = f.flip(0);
    CHECK(relative_error(s.losses(critic, features).student_logits, fresh.student_logits.flip(0)) < 1e-5);
  }
}

TEST_CASE("R1 perturbs the noised real image at its own noise level") {
  const Scene s;
  constexpr double kWeight = 3, kStep = 0.01;
  const DiscriminatorConfig plain{}, config{.r1 = R1Config{.weight = kWeight, .step = kStep}};
  const auto penalty = [&](double scale) {
    const Critic without = s.critic(plain), with = s.critic(config);
    scale_heads(without, scale);
    scale_heads(with, scale);
    return (s.losses(with).losses - s.losses(without).losses).detach();
  };
  const Critic critic = s.critic(config);
  const at::Tensor perturbed =
      s.real_x() + kStep * over_images(s.part.sigma) * draws(s.part, Purpose::perturbation, {1, 4, 4});
  const at::Tensor rise =
      (s.logits(critic, perturbed, s.part.real_labels) - s.logits(critic, s.real_x(), s.part.real_labels)) /
      kStep;
  CHECK(relative_error(penalty(1), kWeight * (0.5 * rise.square()).mean(1)) < 1e-3);

  // In the limit it is the slope of the logits along the perturbation, in units of sigma.
  const at::Tensor x = s.real_x().requires_grad_();
  at::Tensor expected = at::full({6}, 0.0);
  for (int64_t head = 0; head < 2; ++head) {
    const at::Tensor logit = s.logits(critic, x, s.part.real_labels).select(1, head);
    const at::Tensor slope = torch::autograd::grad({logit.sum()}, {x})[0] * over_images(s.part.sigma) *
                             draws(s.part, Purpose::perturbation, {1, 4, 4});
    expected = expected + kWeight * 0.5 * slope.sum({1, 2, 3}).square() / 2;
  }
  CHECK(relative_error(penalty(1), expected) < 0.1);

  CHECK(penalty(0).abs().max().item<double>() == 0);  // logits that do not look at x
  CHECK(relative_error(penalty(3), 9 * penalty(1)) < 1e-2);

  s.losses(critic).losses.sum().backward();
  CHECK(has_gradient(networks_of(critic).heads));
  CHECK_FALSE(has_gradient(s.teacher));
}

TEST_CASE("A discriminator sees the lowest resolution, all, or a list") {
  const auto read = [](const std::string& value) {
    return config::read<Holder>(config::parse("{resolutions: " + value + "}", "test")).resolutions;
  };
  const Denoiser network = picture_network(1);
  const auto of = [&](const std::string& value) { return resolved(read(value), network, "key"); };
  CHECK(of("lowest") == std::vector<int64_t>{2});
  CHECK(of("all") == std::vector<int64_t>{4, 2});
  CHECK(of("[4]") == std::vector<int64_t>{4});
  for (const char* value : {"lowest", "[2, 4]"}) {
    INFO(value);
    const Holder holder{read(value)};
    CHECK(of(config::flow_text(config::encode(holder).children.at(0))) ==
          resolved(holder.resolutions, network, "key"));
  }
  for (const auto& [value, said] : {std::pair("[]", "lowest, all, or a list"),
                                    {"lowst", "did you mean 'lowest'?"},
                                    {"14", "lowest, all, or a list"},
                                    {"[0]", ">= 1"}}) {
    INFO(value);
    CHECK_THAT(config_error([&] { read(value); }), Catch::Contains(said));
  }
  CHECK_THAT(config::help<Holder>(), Catch::Contains("lowest, all, or a list"));
}

TEST_CASE("Discriminators that make no sense say so") {
  const Scene s;
  CHECK_THAT(config_error([&] {
               s.critic({.resolutions = listed({4, 3})});
             }),
             Catch::Contains("task.discriminator.resolutions") && Catch::Contains("no resolution 3"));
  CHECK_THAT(config_error([&] {
               s.critic({.resolutions = listed({4, 4})});
             }),
             Catch::Contains("task.discriminator.resolutions") && Catch::Contains("4 twice"));
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
