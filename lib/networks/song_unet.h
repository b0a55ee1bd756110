// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "config/check.h"
#include "networks/network.h"
#include "networks/unet_block.h"

namespace onestep {

/// DDPM++ and NCSN++ under the official names (Song et al. 2021, as reimplemented for EDM). The defaults are
/// DDPM++ for CIFAR-10.
struct SongUNetConfig {
  static constexpr const char* kind = "song_unet";
  int64_t img_resolution = 32;
  int64_t img_channels = 3;
  int64_t label_dim = 0;
  int64_t augment_dim = 0;
  int64_t model_channels = 128;
  std::vector<int64_t> channel_mult = {2, 2, 2};
  int64_t channel_mult_emb = 4;
  int64_t num_blocks = 4;
  std::vector<int64_t> attn_resolutions = {16};
  double dropout = 0.10;
  double label_dropout = 0;
  std::string embedding_type = "positional";
  int64_t channel_mult_noise = 1;
  std::string encoder_type = "standard";
  std::string decoder_type = "standard";
  std::vector<double> resample_filter = {1, 1};
  std::string recompute = "none";

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("img_resolution", c.img_resolution, "height and width that the network sees",
          config::between(1, 4096));
    visit("img_channels", c.img_channels, "channels in and out", config::between(1, 1024));
    visit("label_dim", c.label_dim, "number of classes; 0 is unconditional", config::between(0, 1e6));
    visit("augment_dim", c.augment_dim, "number of augmentation labels; 0 is none", config::between(0, 1024));
    visit("model_channels", c.model_channels, "base number of channels", config::between(2, 4096));
    visit("channel_mult", c.channel_mult, "channels of each resolution, as multiples of the base",
          config::between(1, 64));
    visit("channel_mult_emb", c.channel_mult_emb, "width of the embedding, as a multiple of the base",
          config::between(1, 64));
    visit("num_blocks", c.num_blocks, "residual blocks a resolution (one more in the decoder)",
          config::between(1, 64));
    visit("attn_resolutions", c.attn_resolutions, "resolutions with self-attention",
          config::between(1, 4096));
    visit("dropout", c.dropout, "dropout rate inside blocks, in training", config::between(0, 0.99));
    visit("label_dropout", c.label_dropout, "share of labels hidden in training", config::between(0, 1));
    visit("embedding_type", c.embedding_type, "noise-level embedding: DDPM++ or NCSN++",
          config::one_of({"positional", "fourier"}));
    visit("channel_mult_noise", c.channel_mult_noise, "width of the noise embedding: 1 DDPM++, 2 NCSN++",
          config::between(1, 64));
    visit("encoder_type", c.encoder_type, "standard DDPM++, residual NCSN++",
          config::one_of({"standard", "residual"}));
    visit("decoder_type", c.decoder_type, "decoder", config::one_of({"standard"}));
    visit("resample_filter", c.resample_filter,
          "FIR filter of resampling: [1, 1] DDPM++, [1, 3, 3, 1] NCSN++", config::between(-100, 100));
    visit("recompute", c.recompute,
          "what the backward pass computes once more instead of keeping it: none, or the inside of each "
          "residual block; less memory for a quarter more time, and the same bits",
          config::one_of({"none", "blocks"}), config::Role::free);
  }
  std::string problem() const;
};

using SongUNetLayer = std::variant<Conv2d, UNetBlock>;
using NamedLayers = std::vector<std::pair<std::string, SongUNetLayer>>;

struct SongUNet {
  using Config = SongUNetConfig;
  SongUNetConfig config;
  at::Tensor frequencies;  ///< [model_channels · channel_mult_noise / 2], NCSN++ only
  std::optional<Linear> map_label, map_augment;
  Linear map_layer0, map_layer1;
  NamedLayers encoder, decoder;
  GroupNorm out_norm;
  Conv2d out_conv;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    const std::string outer = std::to_string(m.config.img_resolution);
    visit("map_noise.freqs", m.frequencies, kBuffer);
    visit("map_label", m.map_label);
    visit("map_augment", m.map_augment);
    visit("map_layer0", m.map_layer0);
    visit("map_layer1", m.map_layer1);
    visit("enc", m.encoder);
    visit("dec", m.decoder);
    visit("dec." + outer + "x" + outer + "_aux_norm", m.out_norm);
    visit("dec." + outer + "x" + outer + "_aux_conv", m.out_conv);
  }
};

ImageShape image_shape(const SongUNetConfig& config);
int64_t label_dim(const SongUNetConfig& config);

/// One a resolution, named "32x32": the deepest output of the encoder there.
std::vector<FeatureTap> feature_taps(const SongUNetConfig& config);

/// Initial weights are drawn from `seed`, float32, on the CPU; on at::kMeta it has its shapes alone.
SongUNet make_network(const SongUNetConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// F(x; c_noise, condition): x [N, img_channels, R, R] → the same shape. Gradients flow through x and
/// weights.
NetworkOutput forward(const SongUNet& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted = {});

PassCost pass_cost(const SongUNet& m);

}  // namespace onestep
