// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "config/check.h"
#include "networks/dit_block.h"
#include "networks/network.h"
#include "networks/recompute_config.h"

namespace onestep {

/// DiT (Peebles & Xie 2023) and SiT (Ma et al. 2024), which are one network, under the official names. The
/// defaults are DiT-S/2 for ImageNet's 256² images as 32² latents.
struct DitConfig {
  static constexpr const char* kind = "dit";
  int64_t input_size = 32;
  int64_t patch_size = 2;
  int64_t in_channels = 4;
  int64_t hidden_size = 384;
  int64_t depth = 12;
  int64_t num_heads = 6;
  double mlp_ratio = 4;
  int64_t num_classes = 1000;
  bool learn_sigma = true;
  int64_t freq_shift = 0;
  double norm_eps = 1e-6;
  double label_dropout = 0.1;
  std::string recompute = "none";

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("input_size", c.input_size, "height and width of the images or latents", config::between(1, 4096));
    visit("patch_size", c.patch_size, "height and width of what becomes a token", config::between(1, 4096));
    visit("in_channels", c.in_channels, "channels in", config::between(1, 1024));
    visit("hidden_size", c.hidden_size, "channels of a token", config::between(4, 16384));
    visit("depth", c.depth, "transformer blocks", config::between(1, 1024));
    visit("num_heads", c.num_heads, "heads of the attention", config::between(1, 1024));
    visit("mlp_ratio", c.mlp_ratio, "hidden units of a block's MLP, as a multiple of hidden_size",
          config::between(0.25, 64));
    visit("num_classes", c.num_classes, "number of classes; 0 is unconditional", config::between(0, 1e6));
    visit("learn_sigma", c.learn_sigma, "the output has as many channels again, which are not used");
    visit("freq_shift", c.freq_shift,
          "frequencies of the noise level's sinusoids: 10000^(-i/(128 - freq_shift)); 1 is diffusers' DiT",
          config::between(0, 1));
    visit("norm_eps", c.norm_eps, "epsilon of the layer norms; 1e-5 is diffusers' DiT",
          config::between(1e-12, 1));
    visit("label_dropout", c.label_dropout, "share of labels hidden in training", config::between(0, 1));
    recompute_field(c, visit);
  }
  std::string problem() const;
};

struct Dit {
  using Config = DitConfig;
  DitConfig config;
  at::Tensor pos_embed;    ///< [1, T, D], see position_table.h
  Linear patches;          ///< a convolution's weight [D, C, p, p], whose stride is its size
  Linear time0, time2;     ///< of 256 sinusoids
  at::Tensor label_table;  ///< [num_classes + 1, D], the last row of no class; absent without classes
  std::vector<std::pair<std::string, DitBlock>> blocks;
  Linear final_modulation, final_linear;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("pos_embed", m.pos_embed, kBuffer);
    visit("x_embedder.proj", m.patches);
    visit("t_embedder.mlp.0", m.time0);
    visit("t_embedder.mlp.2", m.time2);
    visit("y_embedder.embedding_table.weight", m.label_table);
    visit("blocks", m.blocks);
    visit("final_layer.linear", m.final_linear);
    visit("final_layer.adaLN_modulation.1", m.final_modulation);
  }
};

ImageShape image_shape(const DitConfig& config);
int64_t label_dim(const DitConfig& config);

/// "block0", "block1", …: what leaves each block, the tokens as the places of a map [N, D, h, w].
std::vector<FeatureTap> feature_taps(const DitConfig& config);

/// A network with initial weights drawn from `seed`, float32, on the CPU; its shapes alone on at::kMeta.
/// Its modulations and its last layer are zero, and so is its output.
Dit make_network(const DitConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// F(x; c_noise, classes): x [N, C, R, R] → [N, C or 2C, R, R] and the features asked for. Gradients flow
/// through x and weights. Throws c10::Error for images of another shape and for a tap that it lacks.
NetworkOutput forward(const Dit& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted = {});

PassCost pass_cost(const Dit& m);

/// What the blocks are given: the image's patches with their places, [N, T, D], and the sum of what is known
/// of noise level and class, [N, D]. A row of zeros as classes is no class, as is an undefined condition.
at::Tensor embed_image(const Dit& m, const at::Tensor& x);
at::Tensor embed_conditioning(const Dit& m, const Conditioning& conditioning);

}  // namespace onestep
