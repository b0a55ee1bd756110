// SPDX-License-Identifier: Apache-2.0
// Networks that compute in bfloat16: near float32's, with float32 around them and for their gradients.
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "kernels/philox.h"
#include "networks/classifier.h"
#include "networks/denoiser.h"
#include "networks/head.h"
#include "networks/precision.h"

using namespace onestep;
using test::relative_error;

namespace {

constexpr int64_t kImages = 4;

at::Tensor normal(uint64_t seed, int64_t rows, at::IntArrayRef shape) {
  return kernels::philox_normal(seed, 9, at::arange(rows), shape, at::kCPU);
}

/// Every kind of network, with dropout where it has it, and weights that are seen in the output.
std::vector<std::pair<std::string, Denoiser>> every_network() {
  const SongUNetConfig ddpmpp{.img_resolution = 16,
                              .label_dim = 3,
                              .augment_dim = 9,
                              .model_channels = 16,
                              .channel_mult = {1, 2},
                              .num_blocks = 1,
                              .attn_resolutions = {8},
                              .dropout = 0.2};
  SongUNetConfig ncsnpp = ddpmpp;
  ncsnpp.embedding_type = "fourier";
  ncsnpp.channel_mult_noise = 2;
  ncsnpp.encoder_type = "residual";
  ncsnpp.decoder_type = "skip";
  ncsnpp.resample_filter = {1, 3, 3, 1};
  const DhariwalUNetConfig adm{.img_resolution = 16,
                               .label_dim = 3,
                               .model_channels = 32,
                               .channel_mult = {1, 2},
                               .num_blocks = 1,
                               .attn_resolutions = {8},
                               .dropout = 0.2};
  const DitConfig dit{.input_size = 16,
                      .patch_size = 2,
                      .in_channels = 3,
                      .hidden_size = 48,
                      .depth = 2,
                      .num_heads = 3,
                      .num_classes = 3,
                      .learn_sigma = false};
  std::vector<std::pair<std::string, Denoiser>> all{
      {"DDPM++", make_denoiser({.network = ddpmpp}, 1)},
      {"NCSN++", make_denoiser({.network = ncsnpp}, 2)},
      {"ADM", make_denoiser({.network = adm}, 3)},
      {"DiT", make_denoiser({.network = dit}, 4)},
      {"MLP", make_denoiser({.network = MlpConfig{.dim = 3, .label_dim = 3, .width = 32, .depth = 2}}, 5)}};
  for (auto& [name, denoiser] : all) {
    uint64_t seed = 100;
    for (const auto& [path, tensor] : named_tensors(denoiser)) {
      ++seed;
      const bool last = tensor.dim() > 1 && tensor.abs().max().item<double>() < 1e-3;  // nearly zero at first
      const auto fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
      if (last) tensor.copy_(normal(seed, tensor.size(0), tensor.sizes().slice(1)) / std::sqrt(fan_in));
    }
  }
  return all;
}

struct Seen {
  at::Tensor denoised, grad_x, gradients;
};

/// D(x; σ), and the backward pass of a weighted sum of it.
at::Tensor weighted_pass(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma) {
  DropoutStream masks{.rate = dropout_rate(config_of(network_of(denoiser)->network)),
                      .seed = 3,
                      .indices = at::arange(kImages)};
  const at::Tensor denoised =
      denoise(denoiser, x, sigma, {.condition = {at::eye(kImages, 3)}, .masks = &masks});
  (denoised * normal(77, kImages, denoised.sizes().slice(1))).sum().backward();
  return denoised.detach();
}

/// Images at four noise levels.
at::Tensor levels() {
  return at::linspace(std::log(0.05), std::log(20), kImages).exp();
}
at::Tensor noisy_images(const Denoiser& denoiser) {
  const ImageShape shape = image_shape(denoiser);
  return normal(1, kImages, {shape.channels, shape.height, shape.width}) *
         (levels().square() + 0.25).sqrt().view({-1, 1, 1, 1});
}

/// D(x; σ) of images at four noise levels, and the gradients of a weighted sum, all flat.
Seen pass(Denoiser denoiser, at::ScalarType type) {
  const FlatParameters master = flatten(denoiser, /*trained=*/false);
  const at::Tensor gradients = at::zeros_like(master.values);
  attach(denoiser, {master.values.to(type), gradients});
  const at::Tensor x = noisy_images(denoiser).set_requires_grad(true);
  const at::Tensor denoised = weighted_pass(denoiser, x, levels());
  return {denoised, x.grad(), gradients};
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.flatten().to(at::kDouble), y = b.flatten().to(at::kDouble);
  return (x.dot(y) / (x.norm() * y.norm())).item<double>();
}

}  // namespace

TEST_CASE("Every network in bfloat16 is near itself in float32, forward and backward, dropout included") {
  for (const auto& [name, denoiser] : every_network()) {
    INFO(name);
    const Seen narrow = pass(clone(denoiser), at::kBFloat16), wide = pass(clone(denoiser), at::kFloat);
    CHECK(narrow.denoised.scalar_type() == at::kFloat);
    CHECK(narrow.gradients.scalar_type() == at::kFloat);
    const double error = relative_error(narrow.denoised, wide.denoised);
    CHECK(error > 1e-5);  // it did compute in bfloat16
    CHECK(error < 0.03);
    CHECK(cosine(narrow.grad_x, wide.grad_x) > 0.999);
    CHECK(cosine(narrow.gradients, wide.gradients) > 0.999);
    CHECK(narrow.gradients.norm().item<double>() ==
          Approx(wide.gradients.norm().item<double>()).epsilon(0.01));
  }
}

// Where a weight meets float32, as an adaptive norm's does, the cast would round its gradient, and a shadow's
// stays.
TEST_CASE("A shadow gives the gradients of weights that are cast in every layer, bit for bit") {
  for (const auto& [name, denoiser] : every_network()) {
    INFO(name);
    const Seen shadow = pass(clone(denoiser), at::kBFloat16);
    Denoiser cast = clone(denoiser);
    const FlatParameters master = flatten(cast);
    Denoiser in_graph = cast;
    for_each_tensor(in_graph, [](const std::string&, at::Tensor& tensor, bool is_buffer) {
      if (!is_buffer) tensor = tensor.to(at::kBFloat16);  // a node of the graph: its gradient is widened
    });
    CHECK(weighted_pass(in_graph, noisy_images(cast), levels()).equal(shadow.denoised));
    CHECK(master.gradients.equal(shadow.gradients.to(at::kBFloat16).to(at::kFloat)));
    CHECK(master.gradients.abs().max().item<double>() > 0);
  }
}

TEST_CASE("What several uses of a weight give to its gradient is summed in float32") {
  Linear layer{.weight = at::ones({1, 1}), .bias = {}};
  const FlatParameters master = flatten(layer, /*trained=*/false);
  const at::Tensor gradients = at::zeros_like(master.values);
  attach(layer, {master.values.to(at::kBFloat16), gradients});
  const auto one = [](double value) { return at::full({1, 1}, value); };
  const double small = std::ldexp(1, -12);  // 1 + small is no bfloat16
  (forward(layer, one(1)) + forward(layer, one(small))).sum().backward();
  CHECK(gradients.item<double>() == 1 + small);
  for (int pass = 0; pass < 300; ++pass) forward(layer, one(1)).sum().backward();  // 256 + 1 is none either
  CHECK(gradients.item<double>() == 301 + small);
}

TEST_CASE("Float32 stays around a network in bfloat16: preconditioning, logits, buffers") {
  Denoiser silent = make_denoiser({.network = MlpConfig{.dim = 2, .width = 8, .depth = 1}}, 1);
  for (const auto& [name, tensor] : named_tensors(silent))
    if (name.find("output") != std::string::npos) tensor.zero_();
  const Denoiser narrow = rounded(silent, at::kBFloat16);
  const at::Tensor x = normal(2, 64, {2, 1, 1}), sigma = normal(3, 64, {}).exp();
  CHECK(denoise(narrow, x, sigma).equal(denoise(silent, x, sigma)));  // c_skip x
  for_each_tensor(const_cast<Denoiser&>(narrow), [](const std::string& name, at::Tensor& t, bool is_buffer) {
    INFO(name);
    CHECK(t.scalar_type() == (is_buffer ? at::kFloat : at::kBFloat16));
  });
  const auto beyond_bfloat16 = [](const at::Tensor& t) {
    CHECK(t.scalar_type() == at::kFloat);
    return !t.to(at::kBFloat16).to(at::kFloat).equal(t);
  };
  const Heads heads = rounded(make_heads({{"a", 16, 8, 8}, {"b", 8, 1, 1}}, 1), at::kBFloat16);
  CHECK(beyond_bfloat16(forward(
      heads, {normal(4, 8, {16, 8, 8}).to(at::kBFloat16), normal(5, 8, {8, 1, 1}).to(at::kBFloat16)})));
  CHECK(beyond_bfloat16(
      classify(rounded(make_classifier({}, 2), at::kBFloat16), normal(6, 4, {1, 28, 28})).logits));
}

TEST_CASE("Precisions have names, and devices that can't compute so") {
  CHECK(precision_names() == std::vector<std::string>{"float32", "tf32", "bfloat16", "auto"});
  CHECK(network_type("float32") == at::kFloat);
  CHECK(network_type("tf32") == at::kFloat);
  CHECK(network_type("bfloat16") == at::kBFloat16);
  CHECK_THROWS_AS(network_type("auto"), c10::Error);
  CHECK(precision_problem("tf32", at::kCPU) != "");
  CHECK(precision_problem("tf32", at::kCUDA) == "");
  CHECK(precision_problem("bfloat16", at::kCPU) == "");
  for (const char* name : {"float32", "bfloat16"}) CHECK(resolved_precision(name, at::kCPU) == name);
  const std::string chosen = resolved_precision("auto", at::kCPU);
  CHECK((chosen == "float32" || chosen == "bfloat16"));
  CHECK((precision_warning("bfloat16", at::kCPU) == "") == (chosen == "bfloat16"));
  CHECK(precision_warning("float32", at::kCPU) == "");
}
