// SPDX-License-Identifier: Apache-2.0
#include "networks/mlp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

namespace onestep {
namespace {

/// c_noise = ln σ / 4 runs over about 3 units from σ = 0.002 to 80: the lowest frequency tells all of them
/// apart, the highest resolves a factor of e in σ.
at::Tensor noise_frequencies() {
  return at::tensor({0.125, 0.25, 0.5, 1.0, 2.0}, at::kFloat);
}

}  // namespace

ImageShape image_shape(const MlpConfig& config) {
  return {config.dim, 1, 1};
}

int64_t label_dim(const MlpConfig& config) {
  return config.label_dim;
}

std::vector<FeatureTap> feature_taps(const MlpConfig& config) {
  return {{"hidden", config.width, 1, 1}};
}

Mlp make_network(const MlpConfig& c, uint64_t seed, at::Device device) {
  Initializer init{.seed = seed, .device = device};
  Mlp m{.config = c, .frequencies = noise_frequencies().to(device)};
  m.map_noise = make_linear(init, 2 * m.frequencies.size(0), c.width);
  m.input = make_linear(init, c.dim, c.width);
  if (c.label_dim > 0) m.map_label = make_linear(init, c.label_dim, c.width, /*bias=*/false);
  for (int64_t i = 0; i < c.depth; ++i) {
    m.layers.emplace_back(std::to_string(i), make_linear(init, c.width, c.width));
  }
  m.output = make_linear(init, c.width, c.dim, /*bias=*/true, /*scale=*/1e-5);
  return m;
}

NetworkOutput forward(const Mlp& m, const at::Tensor& x, const Conditioning& c, const Wanted& wanted) {
  at::Tensor h =
      forward(m.input, x.flatten(1)) + forward(m.map_noise, fourier_embedding(c.noise_labels, m.frequencies));
  if (m.map_label && c.condition.defined()) h = h + forward(*m.map_label, c.condition.classes);
  for (const auto& [name, layer] : m.layers) h = h + forward(layer, at::silu(h));
  const at::Tensor hidden = at::silu(h);
  NetworkOutput out;
  out.features.assign(taps_named(wanted.taps, feature_taps(m.config)).size(),
                      hidden.unsqueeze(-1).unsqueeze(-1));
  if (wanted.output) out.output = forward(m.output, hidden).unsqueeze(-1).unsqueeze(-1);
  return out;
}

}  // namespace onestep
