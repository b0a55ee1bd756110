// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "config/check.h"
#include "networks/network.h"
#include "networks/layers.h"

namespace onestep {

/// A network for points instead of images: toy teachers, students and fake scores.
struct MlpConfig {
  static constexpr const char* kind = "mlp";
  int64_t dim = 2;
  int64_t label_dim = 0;
  int64_t width = 64;
  int64_t depth = 3;
  double label_dropout = 0;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("dim", c.dim, "coordinates of a point", config::between(1, 65536));
    visit("label_dim", c.label_dim, "number of classes; 0 is unconditional", config::between(0, 1e6));
    visit("width", c.width, "units of every hidden layer", config::between(1, 65536));
    visit("depth", c.depth, "residual hidden layers", config::between(0, 1024));
    visit("label_dropout", c.label_dropout, "share of labels hidden in training", config::between(0, 1));
  }
};

/// F(x; c_noise, labels) of points x [N, dim, 1, 1]:
///   h = W_x x + W_n φ(c_noise) + W_c labels;   h ← h + W_l silu(h), `depth` times;   F = W_o silu(h),
/// where φ are Fourier features. A fresh network gives nearly 0, so that a fresh denoiser is nearly c_skip x.
struct Mlp {
  MlpConfig config;
  at::Tensor frequencies;  ///< [features / 2] of φ
  Linear map_noise, input;
  std::optional<Linear> map_label;
  std::vector<std::pair<std::string, Linear>> layers;
  Linear output;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("map_noise.freqs", m.frequencies, kBuffer);
    visit("map_noise", m.map_noise);
    visit("map_label", m.map_label);
    visit("input", m.input);
    visit("layers", m.layers);
    visit("output", m.output);
  }
};

/// A network with initial weights drawn from `seed`, float32, on the CPU; its shapes alone on at::kMeta.
Mlp make_mlp(const MlpConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// silu(h) of the last hidden layer, [N, width].
struct Hidden {
  at::Tensor units;
};
Hidden encode(const Mlp& m, const at::Tensor& x, const Conditioning& conditioning);
at::Tensor decode(const Mlp& m, const Hidden& hidden, DropoutStream* masks = nullptr);

/// The last hidden layer as a map [N, width, 1, 1] of the one resolution 1, for each of `resolutions`. These
/// functions throw c10::Error for any other.
std::vector<at::Tensor> encoder_features(const Hidden& hidden, const std::vector<int64_t>& resolutions);
std::vector<int64_t> encoder_resolutions(const MlpConfig& config);
int64_t feature_channels(const MlpConfig& config, int64_t resolution);

}  // namespace onestep
