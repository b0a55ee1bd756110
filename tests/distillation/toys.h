// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <functional>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "closeness.h"
#include "config/node.h"
#include "distillation/discriminator.h"
#include "kernels/philox.h"
#include "noise/sigma_law.h"

/// Points and pictures of three classes, and networks for them that are small and awake.
namespace onestep::toys {

using test::relative_error;

inline constexpr uint64_t kSeed = 7;

inline at::Tensor normal(at::IntArrayRef shape, int64_t n, uint64_t seed = 1, at::Device device = at::kCPU) {
  return kernels::philox_normal(seed, 0, at::arange(n), shape, device);
}

/// The draws of a shard's images for `purpose`, without the code under test.
inline at::Tensor draws(const Shard& shard, Purpose purpose, at::IntArrayRef shape) {
  return kernels::philox_normal(shard.seed, word(purpose), shard.indices, shape, shard.real.device());
}

/// Numbers [n] over images.
inline at::Tensor over_images(const at::Tensor& values) {
  return values.reshape({-1, 1, 1, 1});
}

/// n points of the plane, float32 [n, 2, 1, 1].
inline Dataset points(int64_t n) {
  return {.name = "points",
          .images = normal({2, 1, 1}, n, 11),
          .labels = at::arange(n).remainder(3),
          .class_names = {"a", "b", "c"}};
}

/// n grey pictures of 4 × 4 pixels, uint8.
inline Dataset pictures(int64_t n) {
  const at::Tensor u = kernels::philox_uniform(12, 0, at::arange(n), {1, 4, 4}, at::kCPU);
  return {.name = "pictures",
          .images = (u * 255).to(at::kByte),
          .labels = at::arange(n).remainder(3),
          .class_names = {"a", "b", "c"}};
}

/// A network on points whose last layer has weights to be seen; a fresh one's are nearly 0.
inline Denoiser point_network(uint64_t seed, int64_t label_dim = 3) {
  Denoiser d =
      make_denoiser({.preconditioning = {.sigma_data = 0.6},
                     .network = MlpConfig{.dim = 2, .label_dim = label_dim, .width = 12, .depth = 2}},
                    seed);
  std::get<Mlp>(std::get<PreconditionedNetwork>(d.form).network).output.weight.mul_(1e5);
  return d;
}

/// A network on pictures, with features of resolutions 4 and 2. Of a fresh one blocks and output are nearly
/// nothing.
inline Denoiser picture_network(uint64_t seed) {
  Denoiser d = make_denoiser({.preconditioning = {.sigma_data = 0.6},
                              .network = SongUNetConfig{.img_resolution = 4,
                                                        .img_channels = 1,
                                                        .label_dim = 3,
                                                        .model_channels = 8,
                                                        .channel_mult = {1, 2},
                                                        .num_blocks = 1,
                                                        .attn_resolutions = {}}},
                             seed);
  for (auto& [name, tensor] : named_tensors(d)) {
    if (name.ends_with("conv1.weight") || name.ends_with("aux_conv.weight")) tensor.mul_(1e5);
  }
  return d;
}

/// The images first … first + n − 1 of a run, with classes.
inline Shard shard_of(const Dataset& data, int64_t first, int64_t n, at::Device device = at::kCPU) {
  Shard shard = begin_shard(read_batch(data, kSeed, first, n, /*flip=*/false), kSeed, device);
  shard.condition = shard.real_condition;
  return shard;
}

/// The same with student images y, and noise levels and noise to compare them at.
inline Shard drawn_shard(const Dataset& data, int64_t first, int64_t n, at::Device device = at::kCPU) {
  Shard shard = shard_of(data, first, n, device);
  shard.y = normal(shard.real.sizes().slice(1), n, 21, device);
  shard.sigma = draw_sigma(LogNormalLaw{.mean = -0.5, .std = 0.7}, kSeed, Purpose::student_sigma,
                           shard.indices, device);
  shard.epsilon = unit_noise(shard, Purpose::student_noise);
  return shard;
}

/// All gradients of a module as one vector; what has none counts as 0.
template <class M>
at::Tensor gradients(const M& module) {
  std::vector<at::Tensor> all;
  for_each_tensor(const_cast<M&>(module), [&](const std::string&, const at::Tensor& tensor, bool is_buffer) {
    const at::Tensor gradient = tensor.grad();
    if (!is_buffer)
      all.push_back((gradient.defined() ? gradient : at::zeros_like(tensor)).detach().flatten());
  });
  return at::cat(all);
}

template <class M>
bool has_gradient(const M& module) {
  const at::Tensor all = gradients(module);
  return all.ne(0).any().item<bool>();
}

/// A module of which every parameter gathers gradients, beginning with none.
template <class M>
M trained(const M& module) {
  M copy = clone(module);
  flatten(copy);
  return copy;
}

/// The same of what holds networks of its own.
inline Fake trained(Fake fake) {
  if (fake.network) flatten(*fake.network);
  return fake;
}
inline Discriminator trained(Discriminator discriminator) {
  if (discriminator.networks) flatten(*discriminator.networks);
  return discriminator;
}

/// The message of the ConfigError that `action` throws; "" when it throws none.
inline std::string config_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const config::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace onestep::toys
