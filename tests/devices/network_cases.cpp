// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>

#include "devices/device_case.h"
#include "networks/classifier.h"
#include "networks/codec.h"
#include "networks/denoiser.h"
#include "networks/head.h"

namespace onestep::test {
namespace {

/// A fresh network's blocks add nearly nothing: here their last layers get weights that are seen.
template <class M>
M awake(M module) {
  for (auto& [name, tensor] : named_tensors(module)) {
    for (const char* last : {"conv1.weight", "out_conv.weight", "proj.weight", "output.weight"})
      if (name.ends_with(last)) tensor.mul_(1e5);
  }
  return module;
}

/// But that of a bias of keys, which is zero but for rounding: softmax does not see it.
template <class M>
void append_gradients(Outputs& outputs, M& module) {
  for_each_tensor(module, [&](const std::string& name, at::Tensor& tensor, bool) {
    if (tensor.grad().defined() && !name.ends_with("to_k.bias")) outputs.push_back(tensor.grad());
  });
}

/// D(x; σ) and the gradients of its sum, weighted, in x and all parameters.
Outputs pass(const DenoiserConfig& config, at::Device device, at::ScalarType dtype) {
  Denoiser denoiser = clone(awake(make_denoiser(config, 3)), device, dtype);
  flatten(denoiser);
  const auto [channels, height, width] = image_shape(denoiser);
  constexpr int64_t kImages = 3;
  const std::vector<int64_t> shape{channels, height, width};
  const at::Tensor x = normal(1, kImages, shape, device, dtype).requires_grad_();
  const at::Tensor sigma = normal(2, kImages, {}, device, dtype).exp();
  const at::Tensor labels = label_dim(denoiser) > 0
                                ? at::eye(kImages, label_dim(denoiser), x.options().requires_grad(false))
                                : at::Tensor();
  const at::Tensor denoised = denoise(denoiser, x, sigma, Condition{labels});
  (denoised * normal(3, kImages, shape, device, dtype)).sum().backward();
  Outputs outputs{denoised.detach(), x.grad()};
  append_gradients(outputs, denoiser);
  return outputs;
}

DeviceCase denoiser_case(const std::string& name, const DenoiserConfig& config) {
  return {"networks", name, 1e-4,
          [config](at::Device device, at::ScalarType dtype) { return pass(config, device, dtype); }};
}

SongUNetConfig small_unet() {
  return {.img_resolution = 16,
          .label_dim = 4,
          .model_channels = 16,
          .channel_mult = {1, 2},
          .num_blocks = 2,
          .attn_resolutions = {8},
          .dropout = 0};
}

Outputs heads(at::Device device, at::ScalarType dtype) {
  Heads d = clone(make_heads({{"a", 16, 14, 14}, {"b", 32, 7, 7}, {"c", 8, 1, 1}}, 1), device, dtype);
  flatten(d);
  const at::Tensor logits =
      forward(d, {normal(1, 5, {16, 14, 14}, device, dtype), normal(2, 5, {32, 7, 7}, device, dtype),
                  normal(3, 5, {8, 1, 1}, device, dtype)});
  logits.sum().backward();
  Outputs outputs{logits.detach()};
  append_gradients(outputs, d);
  return outputs;
}

Outputs classifier(at::Device device, at::ScalarType dtype) {
  Classifier m = clone(make_classifier({}, 2), device, dtype);
  flatten(m);
  const Classified seen = classify(m, normal(1, 6, {1, 28, 28}, device, dtype));
  (seen.logits.sum() + seen.features.square().sum()).backward();
  Outputs outputs{seen.logits.detach(), seen.features.detach()};
  append_gradients(outputs, m);
  return outputs;
}

/// Latents with noise, what becomes of them, and the gradients of both in images and parameters.
Outputs codec(const AutoencoderConfig& config, at::Device device, at::ScalarType dtype) {
  Codec m = clone(make_codec(config, 3), device, dtype);
  flatten(m);
  const at::Tensor images = normal(1, 3, {3, 16, 24}, device, dtype).requires_grad_();
  const ImageShape shape = latent_shape(m, {3, 16, 24});
  const at::Tensor latents =
      encode(m, images, normal(2, 3, {shape.channels, shape.height, shape.width}, device, dtype));
  const at::Tensor decoded = decode(m, latents);
  (decoded * normal(3, 3, {3, 16, 24}, device, dtype)).sum().backward();
  Outputs outputs{latents.detach(), decoded.detach(), images.grad()};
  append_gradients(outputs, m);
  return outputs;
}

DeviceCase codec_case(const std::string& name, const AutoencoderConfig& config) {
  return {"networks", name, 1e-4,
          [config](at::Device device, at::ScalarType dtype) { return codec(config, device, dtype); }};
}

}  // namespace

std::vector<DeviceCase> network_cases() {
  SongUNetConfig ncsnpp = small_unet();
  ncsnpp.embedding_type = "fourier";
  ncsnpp.channel_mult_noise = 2;
  ncsnpp.encoder_type = "residual";
  ncsnpp.resample_filter = {1, 3, 3, 1};
  SongUNetConfig patches = small_unet();
  patches.img_channels = 4;
  patches.img_resolution = 14;
  patches.attn_resolutions = {};
  return {denoiser_case("DDPM++", {.network = small_unet()}),
          denoiser_case("NCSN++", {.network = ncsnpp}),
          denoiser_case("DDPM++ on 2x2 patches",
                        {.preconditioning = {.space_to_depth = true}, .network = patches}),
          denoiser_case("mlp", {.network = MlpConfig{.dim = 2, .label_dim = 3, .width = 32, .depth = 3}}),
          {"networks", "discriminator heads", 1e-4, heads},
          {"networks", "classifier", 1e-4, classifier},
          codec_case("autoencoder",
                     AutoencoderKlConfig{.block_out_channels = {16, 32, 32}, .norm_num_groups = 8}),
          codec_case("tiny autoencoder", AutoencoderTinyConfig{.channels = 16})};
}

}  // namespace onestep::test
