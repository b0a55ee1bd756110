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

void check_resolution(const std::string& who, int64_t resolution) {
  TORCH_CHECK(resolution == 1, who, ": an mlp has features of resolution 1 only, not ", resolution);
}

}  // namespace

Mlp make_mlp(const MlpConfig& c, uint64_t seed, at::Device device) {
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

Hidden encode(const Mlp& m, const at::Tensor& x, const Conditioning& c) {
  at::Tensor h =
      forward(m.input, x.flatten(1)) + forward(m.map_noise, fourier_embedding(c.noise_labels, m.frequencies));
  if (m.map_label && c.condition.classes.defined()) h = h + forward(*m.map_label, c.condition.classes);
  for (const auto& [name, layer] : m.layers) h = h + forward(layer, at::silu(h));
  return {at::silu(h)};
}

at::Tensor decode(const Mlp& m, const Hidden& hidden, DropoutStream*) {
  return forward(m.output, hidden.units).unsqueeze(-1).unsqueeze(-1);
}

std::vector<at::Tensor> encoder_features(const Hidden& hidden, const std::vector<int64_t>& resolutions) {
  for (const int64_t resolution : resolutions) check_resolution("encoder_features", resolution);
  return std::vector<at::Tensor>(resolutions.size(), hidden.units.unsqueeze(-1).unsqueeze(-1));
}

std::vector<int64_t> encoder_resolutions(const MlpConfig&) {
  return {1};
}

int64_t feature_channels(const MlpConfig& config, int64_t resolution) {
  check_resolution("feature_channels", resolution);
  return config.width;
}

}  // namespace onestep
