// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "config/config.h"
#include "divergences/close.h"
#include "divergences/density_ratio.h"
#include "divergences/divergence.h"
#include "golden_file.h"
#include "kernels/philox.h"
#include "losses/integral.h"
#include "on_devices.h"

namespace onestep {
namespace {

struct Images {
  at::Tensor y, teacher, fake, sigma, h;
};

Images random_images(int64_t samples, at::ScalarType dtype, at::Device device = at::kCPU) {
  const auto normal = [&](uint32_t purpose, at::IntArrayRef shape) {
    return kernels::philox_normal(7, purpose, at::arange(samples, at::kLong), shape, device, dtype);
  };
  return {normal(0, {3, 4, 4}), normal(1, {3, 4, 4}), normal(2, {3, 4, 4}), normal(3, {}).exp(),
          normal(4, {}).exp()};
}

at::Tensor per_sample(const at::Tensor& values) {
  return values.view({-1, 1, 1, 1});
}

/// Shared theory §3a and §3c, written out.
at::Tensor expected_gradient(const std::string& normalisation, const Images& b) {
  const at::Tensor m = (b.y - b.teacher).abs().flatten(1).mean(1);
  const at::Tensor w = normalisation == "none"    ? b.h
                       : normalisation == "score" ? b.h / b.sigma.square()
                       : normalisation == "dmd"   ? b.h / (m + 1e-6)
                                                  : b.h / m.clamp_min(1e-5);
  return per_sample(w) * (b.fake - b.teacher);
}

DEVICE_TEST_CASE("every normalisation is its formula, sample by sample", "[losses]") {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const double tolerance = dtype == at::kFloat ? 1e-5 : 1e-12;
    Images b = random_images(5, dtype, device);
    b.y.select(0, 2).copy_(b.teacher.select(0, 2));  // where sid and dmd need their floors
    for (const std::string& name : normalisations()) {
      INFO(name);
      const IntegralConfig c{.normalisation = name};
      const at::Tensor expected = expected_gradient(name, b);
      const kernels::ScoreDifference step = score_difference(c, b.y, b.teacher, b.fake, b.sigma, b.h);
      CHECK(step.gradient.scalar_type() == dtype);
      for (int64_t i = 0; i < 5; ++i) {
        CHECK(relative_error(step.gradient[i], expected[i]) < tolerance);
      }
      CHECK(worst_relative_error(step.loss, 0.5 * expected.square().flatten(1).sum(1)) < tolerance);

      const at::Tensor y = b.y.clone().requires_grad_();
      const at::Tensor teacher = b.teacher.clone().requires_grad_();
      const at::Tensor loss = score_difference_loss(c, y, teacher, b.fake, b.sigma, b.h);
      CHECK(loss.sizes() == at::IntArrayRef{5});
      CHECK(worst_relative_error(loss, step.loss) < tolerance);
      const auto gradients = torch::autograd::grad({loss.sum()}, {y, teacher}, {}, {}, false, true);
      CHECK(relative_error(gradients[0], step.gradient) < tolerance);
      CHECK_FALSE(gradients[1].defined());  // the networks are frozen
    }
  }
}

// Taking a norm or a mean over the batch before the per-sample weight would make samples depend on each
// other.
DEVICE_TEST_CASE("a sample's step does not depend on its neighbours", "[losses]") {
  const Images b = random_images(4, at::kFloat, device);
  for (const std::string& name : normalisations()) {
    INFO(name);
    const IntegralConfig c{.normalisation = name};
    const kernels::ScoreDifference all = score_difference(c, b.y, b.teacher, b.fake, b.sigma, b.h);
    for (int64_t i = 0; i < 4; ++i) {
      const auto one = [&](const at::Tensor& t) { return t.narrow(0, i, 1); };
      const kernels::ScoreDifference alone =
          score_difference(c, one(b.y), one(b.teacher), one(b.fake), one(b.sigma), one(b.h));
      CHECK(alone.gradient.equal(one(all.gradient)));
      CHECK(alone.loss.equal(one(all.loss)));
    }
  }
}

TEST_CASE("the step moves a student's image from what the fake network sees to what the teacher sees") {
  const at::Tensor y = at::full({1, 1, 1, 1}, 0.0), teacher = y + 1, fake = y - 1, one = at::ones({1});
  for (const std::string& name : normalisations()) {
    const auto step = score_difference({.normalisation = name}, y, teacher, fake, one, one);
    CHECK((y - 0.1 * step.gradient).item<double>() > 0);  // gradient descent goes up, to the teacher's side
  }
}

DEVICE_TEST_CASE("variational score distillation agrees with FastGen", "[losses]") {
  for (const std::string name : {"fastgen_vsd", "fastgen_vsd_scaled", "fastgen_vsd_f64"}) {
    INFO(name);
    const io::TensorFile golden = test::golden_file("losses/" + name, device);
    const at::Tensor y = golden.at("gen_data"), one = at::ones({y.size(0)}, y.options());
    const at::Tensor h = golden.has("additional_scale") ? golden.at("additional_scale") : one;
    const auto step = score_difference({.normalisation = "dmd"}, y, golden.at("teacher_x0"),
                                       golden.at("fake_score_x0"), one, h);
    // The reference means over all elements; its weight is a float32 number even in float64.
    const double tolerance = y.scalar_type() == at::kFloat ? 1e-5 : 1e-6;
    const double elements = static_cast<double>(y.numel());
    CHECK(relative_error(step.loss.sum().view(1) / elements, golden.at("loss")) < tolerance);
    CHECK(relative_error(step.gradient / elements, golden.at("grad_gen_data")) < tolerance);
  }
}

DEVICE_TEST_CASE("logits become the weights of f-distill", "[losses]") {
  const RatioConfig ratio{.logit_clamp = 10, .minimum = 0.1, .maximum = 20};
  for (const std::string name : {"forward_kl", "jeffreys", "jensen_shannon", "neyman_chi2",
                                 "softened_reverse_kl", "squared_hellinger"}) {
    const io::TensorFile golden = test::golden_file("losses/fastgen_weight_" + name + "_plain", device);
    for (const std::string step : {"step0/", "step1/", "step2/"}) {
      INFO(name << " " << step);
      const at::Tensor r = density_ratio(golden.at(step + "logits"), ratio);
      CHECK(worst_relative_error(normalise_by_mean(divergence_weight({.name = name}, r)),
                                 golden.at(step + "h")) < 1e-5);
    }
  }
}

TEST_CASE("weights are divided by their batch's mean, which may be more than this tensor's") {
  const at::Tensor h = at::tensor({1.0, 2.0, 6.0}, at::kDouble);
  CHECK(worst_relative_error(normalise_by_mean(h), h / (3 + 1e-6)) < 1e-15);
  CHECK(worst_relative_error(normalise_by_mean(h, at::full({}, 4.0, at::kDouble)), h / (4 + 1e-6)) < 1e-15);
  CHECK(normalise_by_mean(h * 0).isfinite().all().item<bool>());
}

TEST_CASE("wrong arguments are refused") {
  const Images b = random_images(3, at::kFloat);
  CHECK_THROWS_WITH(score_difference({.normalisation = "dmd2"}, b.y, b.teacher, b.fake, b.sigma, b.h),
                    Catch::Contains("unknown normalisation 'dmd2' (did you mean 'dmd'?)"));
  CHECK_THROWS_WITH(score_difference({}, b.y, b.teacher, b.fake, b.sigma.narrow(0, 0, 2), b.h),
                    Catch::Contains("sigma"));
  CHECK_THROWS(score_difference({}, b.y, b.teacher.narrow(0, 0, 2), b.fake, b.sigma, b.h));
  CHECK_THROWS_AS(config::read<IntegralConfig>(config::parse("{normalisation: norm}", "test.yaml")),
                  config::ConfigError);
}

}  // namespace
}  // namespace onestep
