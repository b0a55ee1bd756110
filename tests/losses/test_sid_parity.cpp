// SPDX-License-Identifier: Apache-2.0
// For reverse KL the expanded branch is SiD's generator loss, (D_p − D_q)·[(D_p − y) − α (D_p − D_q)]/w with
// w = max(mean|y − D_p|, 1e-5), values and gradients.
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "config/config.h"
#include "divergences/close.h"
#include "golden_file.h"
#include "losses/expanded.h"
#include "networks/denoiser.h"
#include "on_devices.h"

namespace onestep {
namespace {

io::TensorFile golden(const std::string& name, at::Device device) {
  return test::golden_file("losses/sid_generator_" + name, device);
}

nlohmann::json described(const io::TensorFile& file) {
  return nlohmann::json::parse(file.metadata.at("case"));
}

at::Tensor per_sample(const at::Tensor& values) {
  return values.view({-1, 1, 1, 1});
}

DivergenceWeights reverse_kl(const at::Tensor& sigma) {
  return {at::ones_like(sigma), at::zeros_like(sigma), at::zeros_like(sigma)};
}

struct LossAndGradient {
  at::Tensor loss, gradient;
};

/// A training step with D_p and D_q given as functions of x; SiD's α is the file's.
template <class Teacher, class Fake>
LossAndGradient sid_step(const io::TensorFile& file, const at::Tensor& sigma, Teacher&& teacher,
                         Fake&& fake) {
  const ExpandedConfig config{.alpha = described(file).at("alpha")};
  const at::Tensor y = file.at("images").clone().requires_grad_();
  const at::Tensor x = y + per_sample(sigma) * file.at("eps");
  const at::Tensor loss = expanded_loss(config, y, x, teacher(x), fake(x), sigma, reverse_kl(sigma));
  return {loss, torch::autograd::grad({loss.sum()}, {y})[0]};
}

void check(const LossAndGradient& got, const io::TensorFile& file, double tolerance) {
  CHECK(relative_error(got.loss, file.at("loss").flatten(1).sum(1)) < tolerance);
  CHECK(relative_error(got.loss.sum().view(1), file.at("loss_sum")) < tolerance);
  CHECK(relative_error(got.gradient, file.at("grad_images")) < tolerance);
}

DEVICE_TEST_CASE("SiD's loss with denoised images that do not depend on the student's", "[losses]") {
  for (const std::string alpha : {"0.5", "1", "1.2"}) {
    INFO("alpha " << alpha);
    const io::TensorFile file = golden("constant_alpha" + alpha, device);
    const auto constant = [&](const char* name) {
      return [image = file.at(name)](const at::Tensor&) { return image; };
    };
    check(sid_step(file, file.at("sigma"), constant("y_real"), constant("y_fake")), file, 1e-5);
  }
}

auto affine(const io::TensorFile& file, const std::string& which) {
  return [a = file.at("a_" + which), b = file.at("b_" + which)](const at::Tensor& x) { return a * x + b; };
}

DEVICE_TEST_CASE("SiD's loss with affine denoisers: the gradient flows through both", "[losses]") {
  for (const std::string alpha : {"0.5", "1", "1.2"}) {
    INFO("alpha " << alpha);
    const io::TensorFile file = golden("affine_alpha" + alpha, device);
    check(sid_step(file, file.at("sigma"), affine(file, "real"), affine(file, "fake")), file, 1e-5);
  }
}

/// SiD's noise levels from uniform numbers.
at::Tensor sid_sigma(const at::Tensor& u, double tmax) {
  const double top = std::pow(80, 1.0 / 7), bottom = std::pow(0.002, 1.0 / 7);
  return (top + (1 - u * tmax / 1000) * (bottom - top)).pow(7);
}

DEVICE_TEST_CASE("samples holding NaN do not touch the others' losses and gradients", "[losses]") {
  const io::TensorFile file = golden("nan", device);
  const at::Tensor sigma = sid_sigma(file.at("rnd_t"), described(file).at("tmax")), kept = file.at("kept");
  const LossAndGradient got = sid_step(file, sigma, affine(file, "real"), affine(file, "fake"));
  CHECK(relative_error(got.loss.index_select(0, kept), file.at("loss").flatten(1).sum(1)) < 1e-5);
  CHECK(got.loss.isnan().sum().item<int64_t>() == sigma.size(0) - kept.size(0));

  io::TensorFile alone = file;
  for (auto& [name, tensor] : alone.tensors) {
    if (tensor.dim() == 4 && tensor.size(0) == sigma.size(0)) tensor = tensor.index_select(0, kept);
  }
  const LossAndGradient rest =
      sid_step(alone, sigma.index_select(0, kept), affine(alone, "real"), affine(alone, "fake"));
  CHECK(rest.gradient.isfinite().all().item<bool>());
  CHECK(got.gradient.index_select(0, kept).equal(rest.gradient));
}

Denoiser network(const io::TensorFile& file, const std::string& prefix) {
  auto kwargs = described(file).at("kwargs");
  kwargs.erase("model_type");
  const DenoiserConfig config{.network = config::read<SongUNetConfig>(config::parse(kwargs.dump(), prefix))};
  return with_tensors_of(file, make_denoiser(config, 0, at::kMeta), file.at("sigma").device(), at::kFloat,
                         prefix);
}

DEVICE_TEST_CASE("SiD's loss through two networks", "[losses]") {
  const io::TensorFile file = golden("networks_alpha1.2", device);
  const at::Tensor sigma = file.at("sigma");
  const DenoiserInputs inputs{.augment_labels = at::zeros({sigma.size(0), 9}, sigma.options())};
  const auto through = [&](const Denoiser& denoiser) {
    return [&](const at::Tensor& x) { return denoise(denoiser, x, sigma, inputs); };
  };
  const Denoiser teacher = network(file, "teacher/"), fake = network(file, "fake/");
  check(sid_step(file, sigma, through(teacher), through(fake)), file, 1e-4);
}

}  // namespace
}  // namespace onestep
