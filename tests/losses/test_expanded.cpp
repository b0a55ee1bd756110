// SPDX-License-Identifier: Apache-2.0
// The expanded branch's formulas on random images, sample by sample.
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "config/config.h"
#include "divergences/close.h"
#include "kernels/philox.h"
#include "losses/expanded.h"
#include "on_devices.h"

namespace onestep {
namespace {

struct Sample {
  at::Tensor y, epsilon, a, b, sigma;
  DivergenceWeights weights;
};

Sample random_sample(int64_t count, at::ScalarType dtype = at::kDouble, at::Device device = at::kCPU) {
  const auto normal = [&](uint32_t purpose, at::IntArrayRef shape) {
    return kernels::philox_normal(5, purpose, at::arange(count, at::kLong), shape, device, dtype);
  };
  return {normal(0, {3, 4, 4}), normal(1, {3, 4, 4}), normal(2, {3, 4, 4}),
          normal(3, {3, 4, 4}), normal(4, {}).exp(),  {normal(5, {}).exp(), normal(6, {}), normal(7, {})}};
}

Sample rows(const Sample& all, int64_t first, int64_t count) {
  const auto some = [&](const at::Tensor& t) { return t.narrow(0, first, count); };
  return {some(all.y),     some(all.epsilon),
          some(all.a),     some(all.b),
          some(all.sigma), {some(all.weights.h), some(all.weights.rh_prime), some(all.weights.r2h_second)}};
}

at::Tensor per_sample(const at::Tensor& values) {
  return values.view({-1, 1, 1, 1});
}

struct Step {
  at::Tensor loss, gradient, kappa, g, e, scale;  // and what the loss is made of
};

/// The loss with elementwise denoisers D_p = tanh(a x), D_q = sin(b x), and the gradient of y.
Step step(const ExpandedConfig& config, const Sample& s) {
  const at::Tensor y = s.y.clone().requires_grad_(), x = y + per_sample(s.sigma) * s.epsilon;
  const at::Tensor teacher = (s.a * x).tanh(), fake = (s.b * x).sin();
  const at::Tensor loss = expanded_loss(config, y, x, teacher, fake, s.sigma, s.weights);
  const at::Tensor gradient = torch::autograd::grad({loss.sum()}, {y})[0];
  const at::Tensor g = (teacher - fake).detach(), e = (fake - y).detach();
  const at::Tensor along = (g * e).flatten(1).sum(1), squared = g.square().flatten(1).sum(1);
  const at::Tensor kappa =
      (s.weights.rh_prime * along - 0.5 * s.weights.r2h_second * squared) / s.sigma.square();
  return {loss, gradient, kappa, g, e, sample_scale(config.normalisation, s.y, teacher, s.sigma, 4)};
}

ExpandedConfig with(const std::string& form, std::optional<double> clip = {}) {
  return {.form = form, .surrogate_clip = clip};
}

DEVICE_TEST_CASE("values are the formulas, without the surrogate", "[losses]") {
  const Sample s = random_sample(5, at::kDouble, device);
  const auto& [h, rh_prime, r2h_second] = s.weights;
  for (const std::string& normalisation : normalisations()) {
    for (const double alpha : {0.5, 1.2}) {
      INFO(normalisation << ", alpha " << alpha);
      const ExpandedConfig config{.alpha = alpha, .normalisation = normalisation};
      const Step got = step(config, s);
      const at::Tensor along = (got.g * got.e).flatten(1).sum(1), squared = got.g.square().flatten(1).sum(1);
      CHECK(worst_relative_error(got.loss, got.scale * (h * along + (1 - alpha) * (h - rh_prime) * squared)) <
            1e-12);
    }
  }
}

DEVICE_TEST_CASE("the forms differ by a multiple of g, sample by sample", "[losses]") {
  const Sample s = random_sample(5, at::kDouble, device);
  const Step frozen = step(with("frozen_ratio"), s), exact = step(with("exact"), s);
  CHECK(relative_error(exact.gradient - frozen.gradient, per_sample(exact.scale * exact.kappa) * exact.g) <
        1e-12);

  // Uni-Instruct: no g² term, and only the curvature in κ.
  Sample plain = s;
  plain.weights.rh_prime = s.weights.h;  // h − r h′ = 0
  const Step first_term = step(with("frozen_ratio"), plain), paper = step(with("paper"), s);
  const at::Tensor kappa =
      -0.5 * s.weights.r2h_second * paper.g.square().flatten(1).sum(1) / s.sigma.square();
  CHECK(relative_error(paper.gradient - first_term.gradient, per_sample(paper.scale * kappa) * paper.g) <
        1e-12);
  CHECK(paper.loss.equal(first_term.loss));
}

DEVICE_TEST_CASE("the surrogate's weight is bounded in units of sigma h, and nothing else is", "[losses]") {
  const Sample s = random_sample(64, at::kDouble, device);
  const Step frozen = step(with("frozen_ratio"), s), free = step(with("exact"), s);
  for (const double clip : {0.3, 1.0, 10.0}) {
    INFO(clip);
    const Step bounded = step(with("exact", clip), s);
    const at::Tensor bound = clip * s.sigma * s.weights.h;
    const at::Tensor kappa = at::minimum(at::maximum(free.kappa, -bound), bound);
    CHECK_FALSE(kappa.equal(free.kappa));
    CHECK(relative_error(bounded.gradient - frozen.gradient, per_sample(free.scale * kappa) * free.g) <
          1e-12);
    CHECK(bounded.loss.equal(free.loss));
  }
  CHECK(step(with("exact", 1e9), s).gradient.equal(free.gradient));
}

// A batch mean before the weight, or one norm over the batch, would make samples depend on each other.
TEST_CASE("a sample's loss and gradient do not depend on its neighbours") {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const Sample all = random_sample(4, dtype);
    for (const std::string& normalisation : normalisations()) {
      for (const std::string form : {"exact", "frozen_ratio", "paper"}) {
        for (const std::string distance : {"squared", "pseudo_huber"}) {
          INFO(normalisation << ", " << form << ", " << distance);
          const ExpandedConfig config{.form = form, .distance = distance, .normalisation = normalisation};
          const Step together = step(config, all);
          CHECK(together.loss.scalar_type() == dtype);
          for (int64_t i = 0; i < 4; ++i) {
            const Step alone = step(config, rows(all, i, 1));
            CHECK(alone.loss.equal(together.loss.narrow(0, i, 1)));
            CHECK(alone.gradient.equal(together.gradient.narrow(0, i, 1)));
          }
        }
      }
    }
  }
}

TEST_CASE("gradient reaches both networks' outputs, and neither weights nor scale") {
  const Sample s = random_sample(3);
  const at::Tensor y = s.y.clone().requires_grad_(), x = s.epsilon.clone().requires_grad_(),
                   teacher = s.a.clone().requires_grad_(), fake = s.b.clone().requires_grad_();
  DivergenceWeights w = s.weights;
  w.h = w.h.clone().requires_grad_();
  const auto gradients = torch::autograd::grad({expanded_loss({}, y, x, teacher, fake, s.sigma, w).sum()},
                                               {y, x, teacher, fake, w.h}, {}, {}, false, true);
  // h g·e + ½(h − r h′)‖g‖² by hand, with s constant.
  const at::Tensor scale = per_sample(sample_scale("sid", y, teacher, s.sigma, 4)),
                   h = per_sample(s.weights.h), c = h - per_sample(s.weights.rh_prime), g = (s.a - s.b),
                   e = s.b - s.y;
  CHECK(relative_error(gradients[0], -scale * h * g) < 1e-12);
  CHECK(relative_error(gradients[2], scale * (h * e + c * g)) < 1e-12);
  CHECK(relative_error(gradients[3], scale * (h * (g - e) - c * g)) < 1e-12);
  CHECK(gradients[1].abs().max().item<double>() > 0);
  CHECK_FALSE(gradients[4].defined());
}

TEST_CASE("all weights that come of h are divided by the mean of h") {
  const DivergenceWeights w = random_sample(6).weights, got = normalise_by_mean(w);
  const at::Tensor mean = w.h.mean() + 1e-6;
  CHECK(relative_error(got.h, w.h / mean) < 1e-15);
  CHECK(relative_error(got.rh_prime, w.rh_prime / mean) < 1e-15);
  CHECK(relative_error(got.r2h_second, w.r2h_second / mean) < 1e-15);
  CHECK(relative_error(normalise_by_mean(w, 2 * w.h.mean()).r2h_second, w.r2h_second / (2 * mean)) < 1e-5);
}

TEST_CASE("wrong arguments and configurations are refused") {
  const Sample s = random_sample(3);
  const auto loss = [&](const ExpandedConfig& config, const at::Tensor& x, const at::Tensor& sigma) {
    return expanded_loss(config, s.y, x, s.a, s.b, sigma, s.weights);
  };
  CHECK_THROWS_WITH(loss({}, s.y.narrow(0, 0, 2), s.sigma), Catch::Contains("must be the same [N, ...]"));
  CHECK_THROWS_WITH(loss({}, s.y, s.sigma.narrow(0, 0, 2)), Catch::Contains("must be [3], got [2]"));
  CHECK_THROWS_WITH(loss({.form = "exakt"}, s.y, s.sigma), Catch::Contains("unknown form 'exakt'"));
  CHECK_THROWS_WITH(loss({.normalisation = "sud"}, s.y, s.sigma), Catch::Contains("did you mean 'sid'"));

  const auto read = [](const std::string& text) {
    return config::read<ExpandedConfig>(config::parse(text, "test.yaml"));
  };
  CHECK_FALSE(read("{surrogate_clip: null}").surrogate_clip.has_value());
  CHECK(read("{surrogate_clip: 3}").surrogate_clip == 3.0);
  CHECK_THROWS_WITH(read("{form: exakt}"), Catch::Contains("did you mean 'exact'"));
  CHECK_THROWS_WITH(read("{alpha: 5}"), Catch::Contains("alpha"));
  CHECK_THROWS_WITH(read("{surrogate_clip: 0}"), Catch::Contains("surrogate_clip"));
  CHECK_THROWS_WITH(read("{huber_c: 0}"), Catch::Contains("huber_c"));
  CHECK_THROWS_WITH(read("{distance: pseudo_huber, form: paper}"), Catch::Contains("form must be exact"));
}

}  // namespace
}  // namespace onestep
