// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "config/check.h"
#include "networks/layers.h"
#include "networks/network.h"

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
  std::string problem() const { return ""; }
};

/// F(x; c_noise, labels) of points x [N, dim, 1, 1]:
///   h = W_x x + W_n φ(c_noise) + W_c labels;   h ← h + W_l silu(h), `depth` times;   F = W_o silu(h),
/// where φ are Fourier features. A fresh network gives nearly 0, so that a fresh denoiser is nearly c_skip x.
struct Mlp {
  using Config = MlpConfig;
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

ImageShape image_shape(const MlpConfig& config);  ///< a point is [dim, 1, 1]
int64_t label_dim(const MlpConfig& config);

/// One, "hidden": silu(h) of the last hidden layer, as maps of one pixel.
std::vector<FeatureTap> feature_taps(const MlpConfig& config);

/// Initial weights are drawn from `seed`, float32, on the CPU; on at::kMeta it has its shapes alone.
Mlp make_network(const MlpConfig& config, uint64_t seed, at::Device device = at::kCPU);

NetworkOutput forward(const Mlp& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted = {});

PassCost pass_cost(const Mlp& m);

}  // namespace onestep
