// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "networks/network.h"
#include "networks/recompute_config.h"
#include "networks/unet.h"
#include "networks/unet_config.h"

namespace onestep {

/// DDPM++ and NCSN++ under the official names (Song et al. 2021, as reimplemented for EDM). The defaults are
/// DDPM++ for CIFAR-10.
struct SongUNetConfig {
  static constexpr const char* kind = "song_unet";
  int64_t img_resolution = 32;
  int64_t img_channels = 3;
  int64_t out_channels = 0;
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
    unet_fields(c, visit);
    visit("embedding_type", c.embedding_type, "noise-level embedding: DDPM++ or NCSN++",
          config::one_of({"positional", "fourier"}));
    visit("channel_mult_noise", c.channel_mult_noise, "width of the noise embedding: 1 DDPM++, 2 NCSN++",
          config::between(1, 64));
    visit("encoder_type", c.encoder_type,
          "how the image enters the encoder's resolutions: standard is DDPM++, residual NCSN++",
          config::one_of({"standard", "skip", "residual"}));
    visit("decoder_type", c.decoder_type,
          "whether each resolution adds to the output (skip) or the last one alone",
          config::one_of({"standard", "skip"}));
    visit("resample_filter", c.resample_filter,
          "FIR filter of resampling: [1, 1] DDPM++, [1, 3, 3, 1] NCSN++", config::between(-100, 100));
    recompute_field(c, visit);
  }
  std::string problem() const;
};

/// The embedding: silu(map_layer1(silu(map_layer0(e)))) of e = noise features of c_noise + map_label(√K
/// classes)
/// + map_augment(augment_labels).
struct SongUNet {
  using Config = SongUNetConfig;
  SongUNetConfig config;
  at::Tensor frequencies;  ///< [model_channels · channel_mult_noise / 2], NCSN++ only
  std::optional<Linear> map_label, map_augment;
  Linear map_layer0, map_layer1;
  UNet unet;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("map_noise.freqs", m.frequencies, kBuffer);
    visit("map_label", m.map_label);
    visit("map_augment", m.map_augment);
    visit("map_layer0", m.map_layer0);
    visit("map_layer1", m.map_layer1);
    UNet::parameters(m.unet, visit);
  }
};

ImageShape image_shape(const SongUNetConfig& config);
int64_t label_dim(const SongUNetConfig& config);

/// One a resolution, finest first, named "32x32": the deepest output of the encoder there.
std::vector<FeatureTap> feature_taps(const SongUNetConfig& config);

/// Initial weights are drawn from `seed`, float32, on the CPU; on at::kMeta it has its shapes alone.
SongUNet make_network(const SongUNetConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// F(x; c_noise, condition): x [N, img_channels, R, R] → [N, out_channels, R, R]. Gradients flow through x
/// and weights.
NetworkOutput forward(const SongUNet& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted = {});

PassCost pass_cost(const SongUNet& m);

}  // namespace onestep
