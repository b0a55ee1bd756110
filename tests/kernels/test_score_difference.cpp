// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <catch2/catch.hpp>

#include "io/safetensors.h"
#include "kernels/philox.h"
#include "kernels/score_difference.h"
#include "on_devices.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;

namespace {

struct Inputs {
  at::Tensor y, teacher, fake, h;
};

Inputs inputs(at::IntArrayRef shape, at::ScalarType dtype, at::Device device = at::kCPU) {
  const at::Tensor index = at::arange(shape[0], at::kLong);
  const auto draw = [&](uint32_t purpose) {
    return philox_normal(1, purpose, index, shape.slice(1), at::kCPU, dtype).to(device);
  };
  return {draw(1), draw(2), draw(3), (philox_uniform(1, 4, index, {}, at::kCPU) + 0.5).to(device, dtype)};
}

at::Tensor per_sample(const at::Tensor& h, const at::Tensor& like) {
  std::vector<int64_t> shape(like.dim(), 1);
  shape[0] = -1;
  return h.view(shape);
}

/// The definition in composed ATen: value and, by autograd, gradient of ½‖y − sg[y − w (D_q − D_p)]‖².
at::Tensor composed_loss(const Inputs& in, Normalisation normalisation) {
  at::Tensor w = in.h;
  if (in.y.size(0) > 0 && normalisation != Normalisation::none) {
    const at::Tensor m = at::abs(in.y - in.teacher).flatten(1).mean(1).detach();
    w = normalisation == Normalisation::dmd ? w / (m + 1e-6) : w / m.clamp_min(1e-5);
  }
  const at::Tensor target = (in.y - per_sample(w, in.y) * (in.fake - in.teacher)).detach();
  return 0.5 * (in.y - target).pow(2).flatten(1).sum(1);
}

ScoreDifference run(const Inputs& in, Normalisation normalisation) {
  return score_difference(in.y, in.teacher, in.fake, in.h, normalisation);
}

/// The largest difference, relative to the largest reference value.
double error(const at::Tensor& got, const at::Tensor& expected) {
  const double scale = at::abs(expected).max().item<double>();
  return at::abs(got.cpu().to(at::kDouble) - expected.cpu().to(at::kDouble)).max().item<double>() / scale;
}

void check_against_composed(at::Device device) {
  const auto normalisation = GENERATE(Normalisation::none, Normalisation::dmd, Normalisation::sid);
  const auto dtype = GENERATE(at::kFloat, at::kDouble);
  const double tolerance = dtype == at::kFloat ? 1e-6 : 1e-12;
  for (const auto& shape : {std::vector<int64_t>{5, 3, 16, 16}, {3, 1, 7, 5}, {2, 1}, {1, 4099}, {40, 33}}) {
    INFO(shape << ", normalisation " << static_cast<int>(normalisation) << ", " << dtype);
    Inputs in = inputs(shape, dtype, device);
    const ScoreDifference direct = run(in, normalisation);
    in.y.requires_grad_();
    const at::Tensor expected = composed_loss(in, normalisation);
    const at::Tensor upstream =
        at::arange(1, shape[0] + 1, in.h.options());  // a weight of its own for each sample
    (expected * upstream).sum().backward();
    const at::Tensor expected_gradient = in.y.grad().clone();

    in.y.mutable_grad() = at::Tensor();
    const at::Tensor loss = score_difference_loss(in.y, in.teacher, in.fake, in.h, normalisation);
    CHECK(loss.sizes() == at::IntArrayRef({shape[0]}));
    CHECK(loss.scalar_type() == dtype);
    (loss * upstream).sum().backward();
    CHECK(error(loss.detach(), expected.detach()) < tolerance);
    CHECK(error(in.y.grad(), expected_gradient) < tolerance);
    CHECK(error(direct.loss, expected.detach()) < tolerance);
    CHECK(error(direct.gradient * per_sample(upstream, in.y), expected_gradient) < tolerance);
  }
}

}  // namespace

TEST_CASE("score difference: autograd of the stop-gradient form, CPU", "[score_difference]") {
  check_against_composed(at::kCPU);
}

TEST_CASE("score difference: autograd of the stop-gradient form, CUDA", "[score_difference][gpu]") {
  if (cuda_ready()) check_against_composed(at::kCUDA);
}

TEST_CASE("score difference: descent moves the student toward the teacher", "[score_difference]") {
  // Teacher N(0, 1), student N(2, 1) at noise level σ: D(x) = (x + σ² μ)/(1 + σ²) for mean μ. Reverse KL, h =
  // 1: gradient σ² μ_q/(1 + σ²) > 0 at every point, so that y − gradient moves to the left, toward the
  // teacher.
  const double variance = 0.25;
  const at::Tensor x = at::arange(-3, 4, at::kDouble).unsqueeze(1);
  const at::Tensor teacher = x / (1 + variance), fake = (x + variance * 2.0) / (1 + variance);
  const ScoreDifference got =
      score_difference(x, teacher, fake, at::ones({7}, at::kDouble), Normalisation::none);
  CHECK(error(got.gradient, at::full({7, 1}, variance * 2 / (1 + variance), at::kDouble)) < 1e-14);
}

TEST_CASE("score difference: finite differences of the surrogate with frozen target", "[score_difference]") {
  const Inputs in = inputs({3, 2, 3}, at::kDouble);
  const at::Tensor gradient = run(in, Normalisation::dmd).gradient;
  const at::Tensor target = in.y - gradient;
  const auto surrogate = [&](const at::Tensor& y) {
    return (0.5 * (y - target).pow(2)).sum().item<double>();
  };
  for (int64_t i = 0; i < in.y.numel(); ++i) {
    at::Tensor step = at::zeros_like(in.y);
    step.view({-1})[i] = 1e-3;
    const double slope = (surrogate(in.y + step) - surrogate(in.y - step)) / 2e-3;
    CHECK(slope == Approx(gradient.view({-1})[i].item<double>()).epsilon(1e-9).margin(1e-12));
  }
}

TEST_CASE("score difference: FastGen's variational score distillation", "[score_difference][oracle]") {
  const auto [name, tolerance] = GENERATE(table<std::string, double>(
      {{"fastgen_vsd", 1e-5}, {"fastgen_vsd_scaled", 1e-5}, {"fastgen_vsd_f64", 1e-6}}));
  INFO(name);
  const auto file = onestep::io::read_safetensors(ONESTEP_GOLDEN "/losses/" + name + ".safetensors");
  const at::Tensor& y = file.at("gen_data");
  const at::Tensor h =
      file.has("additional_scale") ? file.at("additional_scale") : at::ones({4}, y.options());
  const ScoreDifference got =
      score_difference(y, file.at("teacher_x0"), file.at("fake_score_x0"), h, Normalisation::dmd);
  const auto elements = static_cast<double>(y.numel());  // its value is a mean over all elements
  CHECK(error(got.loss.sum().view({1}) / elements, file.at("loss")) < tolerance);
  CHECK(error(got.gradient / elements, file.at("grad_gen_data")) < tolerance);
}

TEST_CASE("score difference: SiD's gradient where the denoisers are constants",
          "[score_difference][oracle]") {
  const auto file =
      onestep::io::read_safetensors(ONESTEP_GOLDEN "/losses/sid_generator_constant_alpha1.safetensors");
  const at::Tensor& y = file.at("images");
  const ScoreDifference got =
      score_difference(y, file.at("y_real"), file.at("y_fake"), at::ones({4}), Normalisation::sid);
  CHECK(error(got.gradient, file.at("grad_images")) < 1e-5);
}

TEST_CASE("score difference: the scale's floors, and NaN is not hidden", "[score_difference]") {
  Inputs in = inputs({2, 8}, at::kDouble);
  in.teacher = in.y.clone();  // mean|y − D_p| = 0
  in.teacher[1] += 5e-6;      // between the two floors
  const at::Tensor gap = in.fake - in.teacher;
  const auto expected = [&](double first, double second) {
    at::Tensor w = in.h.clone();
    w[0] *= first;
    w[1] *= second;
    return w.unsqueeze(1) * gap;
  };
  CHECK(error(run(in, Normalisation::dmd).gradient, expected(1e6, 1 / 6e-6)) < 1e-9);
  CHECK(error(run(in, Normalisation::sid).gradient, expected(1e5, 1e5)) < 1e-9);
  Inputs broken = in;
  broken.y = in.y.clone();
  broken.y[0][3] = NAN;  // spoils the scale alone, and so the whole sample
  for (const auto normalisation : {Normalisation::dmd, Normalisation::sid}) {
    CHECK(run(broken, normalisation).gradient[0].isnan().all().item<bool>());
  }
  in.teacher[0][3] = NAN;
  for (const auto normalisation : {Normalisation::none, Normalisation::dmd, Normalisation::sid}) {
    const ScoreDifference got = run(in, normalisation);
    CHECK(got.loss.isnan()[0].item<bool>());
    CHECK(got.gradient.isnan()[0].any().item<bool>());
    CHECK_FALSE(got.loss.isnan()[1].item<bool>());  // and it stays with its sample
  }
}

TEST_CASE("score difference: strides, batch and threads do not change a bit", "[score_difference]") {
  const Inputs in = inputs({9, 3, 13, 11}, at::kFloat);
  const ScoreDifference whole = run(in, Normalisation::dmd);
  const auto strided = [](const at::Tensor& t) { return t.contiguous(at::MemoryFormat::ChannelsLast); };
  REQUIRE_FALSE(strided(in.y).is_contiguous());
  const ScoreDifference other =
      run({strided(in.y), strided(in.teacher), in.fake, in.h.to(at::kDouble)}, Normalisation::dmd);
  CHECK(at::equal(other.gradient, whole.gradient));
  CHECK(at::equal(other.loss, whole.loss));
  CHECK(other.gradient.is_contiguous());
  const auto part = [](const at::Tensor& t) { return t.slice(0, 4, 6); };
  CHECK(at::equal(run({part(in.y), part(in.teacher), part(in.fake), part(in.h)}, Normalisation::dmd).gradient,
                  part(whole.gradient)));
  const int threads = at::get_num_threads();
  const Inputs large = inputs({16, 3, 64, 64}, at::kFloat);
  at::set_num_threads(1);
  const ScoreDifference one = run(large, Normalisation::sid);
  at::set_num_threads(2);
  const ScoreDifference two = run(large, Normalisation::sid);
  at::set_num_threads(threads);
  CHECK(at::equal(one.gradient, two.gradient));
  CHECK(at::equal(one.loss, two.loss));
}

TEST_CASE("score difference: only y carries gradient", "[score_difference]") {
  Inputs in = inputs({2, 6}, at::kDouble);
  for (at::Tensor* t : {&in.y, &in.teacher, &in.fake, &in.h}) t->requires_grad_();
  const ScoreDifference direct = run(in, Normalisation::dmd);
  CHECK_FALSE(direct.loss.requires_grad());
  CHECK_FALSE(direct.gradient.requires_grad());
  score_difference_loss(in.y, in.teacher, in.fake, in.h, Normalisation::dmd).sum().backward();
  CHECK(at::equal(in.y.grad(), direct.gradient));
  for (const at::Tensor* t : {&in.teacher, &in.fake, &in.h}) CHECK_FALSE(t->grad().defined());
}

TEST_CASE("score difference: empty batches and empty samples", "[score_difference]") {
  for (const auto& shape : {std::vector<int64_t>{0, 3, 4}, {2, 0}}) {
    const ScoreDifference got = run(inputs(shape, at::kFloat), Normalisation::dmd);
    CHECK(got.gradient.sizes() == shape);
    CHECK(at::equal(got.loss, at::zeros({shape[0]})));
  }
}

TEST_CASE("score difference refuses inputs that do not agree", "[score_difference]") {
  const Inputs in = inputs({4, 3, 2, 2}, at::kFloat);
  const auto call = [&](Inputs changed) { return run(changed, Normalisation::dmd); };
  CHECK_THROWS_WITH(call({in.y, in.teacher.slice(0, 1), in.fake, in.h}),
                    Contains("teacher is Float[3, 3, 2, 2]"));
  CHECK_THROWS_WITH(call({in.y, in.teacher, in.fake.to(at::kDouble), in.h}), Contains("fake is Double"));
  CHECK_THROWS_WITH(call({in.y, in.teacher, in.fake, in.h.slice(0, 1)}), Contains("h must be floating [4]"));
  CHECK_THROWS_WITH(call({in.y, in.teacher, in.fake, in.h.unsqueeze(1)}), Contains("h must be floating [4]"));
  CHECK_THROWS_WITH(call({in.y, in.teacher, in.fake, in.h.to(at::kLong)}),
                    Contains("h must be floating [4]"));
  const Inputs half = inputs({4, 3}, at::kHalf);
  CHECK_THROWS_WITH(call(half), Contains("float32 or float64, got Half"));
  CHECK_THROWS_WITH(call({in.y[0][0][0][0], in.teacher, in.fake, in.h}), Contains("y must be [N, ...]"));
}
