// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "divergences/close.h"
#include "golden_file.h"
#include "kernels/philox.h"
#include "losses/adversarial.h"
#include "losses/one_dimension.h"
#include "on_devices.h"

namespace onestep {
namespace {

DEVICE_TEST_CASE("the logistic pair agrees with FastGen, values and gradients", "[losses]") {
  const io::TensorFile golden = test::golden_file("losses/fastgen_gan", device);
  const at::Tensor real = golden.at("real_logits").clone().requires_grad_();
  const at::Tensor fake = golden.at("fake_logits").clone().requires_grad_();

  const at::Tensor discriminator = discriminator_loss("logistic", real, fake).mean();
  CHECK(relative_error(discriminator.view(1), golden.at("loss_discriminator")) < 1e-5);
  const auto gradients = torch::autograd::grad({discriminator}, {real, fake});
  CHECK(relative_error(gradients[0], golden.at("grad_discriminator_real")) < 1e-5);
  CHECK(relative_error(gradients[1], golden.at("grad_discriminator_fake")) < 1e-5);

  const at::Tensor generator = generator_loss("logistic", fake).mean();
  CHECK(relative_error(generator.view(1), golden.at("loss_generator")) < 1e-5);
  CHECK(relative_error(torch::autograd::grad({generator}, {fake})[0], golden.at("grad_generator_fake")) <
        1e-5);
}

TEST_CASE("losses are per sample, the mean of the losses of its own logits") {
  const auto softplus = [](double x) { return std::log1p(std::exp(x)); };
  const at::Tensor real = at::tensor({1.0, -2.0, 3.0, 0.5}, at::kDouble).view({2, 2});
  const at::Tensor fake = at::tensor({0.2, 0.4, -1.0, 5.0}, at::kDouble).view({2, 2});
  const at::Tensor expected = at::tensor({(softplus(-1) + softplus(2) + softplus(0.2) + softplus(0.4)) / 2,
                                          (softplus(-3) + softplus(-0.5) + softplus(-1) + softplus(5)) / 2},
                                         at::kDouble);
  CHECK(worst_relative_error(discriminator_loss("logistic", real, fake), expected) < 1e-14);
  CHECK(worst_relative_error(
            generator_loss("logistic", fake),
            at::tensor({(softplus(-0.2) + softplus(-0.4)) / 2, (softplus(1) + softplus(-5)) / 2},
                       at::kDouble)) < 1e-14);
  CHECK(generator_loss("logistic", fake.flatten()).sizes() == at::IntArrayRef{4});
  CHECK(generator_loss("logistic", at::full({3, 1, 2, 2}, 300.0, at::kBFloat16)).scalar_type() == at::kFloat);
  CHECK(generator_loss("logistic", at::full({1}, -300.0, at::kFloat)).item<double>() == 300);  // no overflow
}

// The density ratio stands on this: the best discriminator's logit is ln(p/q), real samples labelled 1.
TEST_CASE("the discriminator's optimum is the log density ratio") {
  const Mixture p{at::tensor({0.4, 0.6}, at::kDouble), at::tensor({-1.0, 1.0}, at::kDouble),
                  at::tensor({0.5, 0.8}, at::kDouble)};
  const Mixture q{at::tensor({1.0}, at::kDouble), at::tensor({0.2}, at::kDouble),
                  at::tensor({1.0}, at::kDouble)};
  const at::Tensor x = at::linspace(-4, 4, 81, at::kDouble);
  const at::Tensor log_p = log_density(p, x, 0.5), log_q = log_density(q, x, 0.5);
  const at::Tensor real = (log_p - log_q).requires_grad_(), fake = (log_p - log_q).requires_grad_();
  const at::Tensor loss = discriminator_loss("logistic", real, fake).sum();
  const auto slopes = torch::autograd::grad({loss}, {real, fake});
  const at::Tensor stationary = log_p.exp() * slopes[0] + log_q.exp() * slopes[1];
  CHECK(stationary.abs().max().item<double>() < 1e-14);
  CHECK((log_p.exp() * slopes[0]).abs().max().item<double>() > 1e-2);
}

TEST_CASE("the hinge pair: a margin for the discriminator, none for the student") {
  const at::Tensor real = at::tensor({2.0, 0.5, -1.0, 1.0}, at::kDouble).view({2, 2}).requires_grad_();
  const at::Tensor fake = at::tensor({-3.0, 0.5, -1.0, 2.0}, at::kDouble).view({2, 2}).requires_grad_();
  const at::Tensor loss = discriminator_loss("hinge", real, fake);
  CHECK(loss.equal(at::tensor({(0.5 + 1.5) / 2, (2.0 + 3.0) / 2}, at::kDouble)));
  const auto slopes = torch::autograd::grad({loss.sum()}, {real, fake});
  CHECK(slopes[0].flatten().equal(at::tensor({0.0, -0.5, -0.5, 0.0}, at::kDouble)));
  CHECK(slopes[1].flatten().equal(at::tensor({0.0, 0.5, 0.0, 0.5}, at::kDouble)));

  const at::Tensor student = generator_loss("hinge", fake);
  CHECK(student.equal(at::tensor({2.5 / 2, -1.0 / 2}, at::kDouble)));
  CHECK(torch::autograd::grad({student.sum()}, {fake})[0].equal(at::full({2, 2}, -0.5, at::kDouble)));
}

TEST_CASE("R1: half the squared directional slope, on average half the squared gradient") {
  const int64_t count = 20000;
  const double step = 1e-3;
  const at::Tensor n = kernels::philox_normal(3, 0, at::arange(count), {3}, at::kCPU, at::kDouble);
  const at::Tensor slope = at::tensor({0.3, -2.0, 1.0}, at::kDouble),
                   x = at::full({count, 3}, 0.4, at::kDouble);
  // Two heads: one linear in x, one the sine of it.
  const auto heads = [&](const at::Tensor& image) {
    const at::Tensor linear = (image * slope).sum(1);
    return at::stack({linear, linear.sin()}, 1);
  };
  const at::Tensor penalty = r1_penalty(heads(x), heads(x + step * n), step);
  const double at_x = std::cos(0.4 * (0.3 - 2.0 + 1.0));
  const at::Tensor along = (n * slope).sum(1).square();
  CHECK(relative_error(penalty, 0.5 * along * (1 + at_x * at_x) / 2) < 1e-2);
  const double expected = 0.5 * (0.09 + 4 + 1) * (1 + at_x * at_x) / 2;
  const double error = penalty.std().item<double>() / std::sqrt(static_cast<double>(count));
  CHECK(std::abs(penalty.mean().item<double>() - expected) < 4 * error);

  const at::Tensor here = heads(x).requires_grad_(), there = heads(x + step * n).requires_grad_();
  for (const at::Tensor& gradient :
       torch::autograd::grad({r1_penalty(here, there, step).sum()}, {here, there})) {
    CHECK(gradient.abs().max().item<double>() > 0);
  }
  CHECK_THROWS_WITH(r1_penalty(here, here.narrow(0, 0, 2), step), Catch::Contains("r1: logits are"));
}

TEST_CASE("wrong logits are refused") {
  CHECK_THROWS_WITH(discriminator_loss("logistic", at::full({3}, 0.0), at::full({2}, 0.0)),
                    Catch::Contains("3 real but 2"));
  CHECK_THROWS_WITH(generator_loss("logistic", at::full({3}, 1, at::kLong)), Catch::Contains("floating"));
  CHECK_THROWS_WITH(generator_loss("hinged", at::full({3}, 0.0)),
                    Catch::Contains("unknown adversarial loss 'hinged' (did you mean 'hinge'?)"));
}

}  // namespace
}  // namespace onestep
