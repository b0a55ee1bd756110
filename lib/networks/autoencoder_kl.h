// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/check.h"
#include "networks/latent_scaling.h"
#include "networks/resnet_block.h"

namespace onestep {

/// The autoencoder of latent diffusion (Rombach et al. 2022), whose latents are kept near a unit normal by a
/// KL term: diffusers' AutoencoderKL, under its tensors' names. The defaults are Stable Diffusion 1.5's;
/// SD3's and FLUX's have 16 latent channels, a shift and no quant convolutions.
struct AutoencoderKlConfig {
  static constexpr const char* kind = "kl";
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;
  int64_t norm_num_groups = 32;
  bool mid_block_add_attention = true;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  LatentScaling scaling = {.scaling_factor = 0.18215, .shift_factor = 0};

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("in_channels", c.in_channels, "channels of the images", config::between(1, 1024));
    visit("out_channels", c.out_channels, "channels of the decoded images", config::between(1, 1024));
    visit("latent_channels", c.latent_channels, "channels of the latents", config::between(1, 1024));
    visit("block_out_channels", c.block_out_channels,
          "channels at each resolution, from the images' on; each is half the one before it",
          config::between(1, 8192));
    visit("layers_per_block", c.layers_per_block, "residual blocks at each resolution",
          config::between(1, 16));
    visit("norm_num_groups", c.norm_num_groups, "groups of each norm", config::between(1, 1024));
    visit("mid_block_add_attention", c.mid_block_add_attention, "attention at the lowest resolution");
    visit("use_quant_conv", c.use_quant_conv, "a 1x1 convolution behind the encoder");
    visit("use_post_quant_conv", c.use_post_quant_conv, "a 1x1 convolution before the decoder");
    LatentScaling::fields(c.scaling, visit);
  }
  std::string problem() const;
};

/// The residual blocks of one resolution, and the convolution that leaves it.
struct AutoencoderLevel {
  std::vector<std::pair<std::string, ResnetBlock>> resnets;
  std::optional<Conv2d> downsampler, upsampler;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("resnets", m.resnets);
    visit("downsamplers.0.conv", m.downsampler);
    visit("upsamplers.0.conv", m.upsampler);
  }
};

struct AutoencoderMiddle {
  ResnetBlock first, second;
  std::optional<PixelAttention> attention;  ///< between them
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("resnets.0", m.first);
    visit("attentions.0", m.attention);
    visit("resnets.1", m.second);
  }
};

struct KlEncoder {
  Conv2d conv_in;
  std::vector<std::pair<std::string, AutoencoderLevel>> down_blocks;
  AutoencoderMiddle mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("conv_in", m.conv_in);
    visit("down_blocks", m.down_blocks);
    visit("mid_block", m.mid_block);
    visit("conv_norm_out", m.conv_norm_out);
    visit("conv_out", m.conv_out);
  }
};

struct KlDecoder {
  Conv2d conv_in;
  AutoencoderMiddle mid_block;
  std::vector<std::pair<std::string, AutoencoderLevel>> up_blocks;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("conv_in", m.conv_in);
    visit("mid_block", m.mid_block);
    visit("up_blocks", m.up_blocks);
    visit("conv_norm_out", m.conv_norm_out);
    visit("conv_out", m.conv_out);
  }
};

struct AutoencoderKl {
  using Config = AutoencoderKlConfig;
  AutoencoderKlConfig config;
  KlEncoder encoder;
  KlDecoder decoder;
  std::optional<Conv2d> quant_conv, post_quant_conv;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("encoder", m.encoder);
    visit("decoder", m.decoder);
    visit("quant_conv", m.quant_conv);
    visit("post_quant_conv", m.post_quant_conv);
  }
};

/// How often the encoder halves an image.
int64_t halvings(const AutoencoderKlConfig& config);

/// Weights drawn from `seed`, float32, on the CPU; shapes alone on at::kMeta. Throws c10::Error for a
/// configuration with a problem.
AutoencoderKl make_network(const AutoencoderKlConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// The normal distribution of an image's latent before scaling: N(mean, exp(logvar)), both [N, Z, h, w].
struct KlMoments {
  at::Tensor mean;
  at::Tensor logvar;  ///< in [−30, 20], to which it is clamped
};

/// Of images [N, C, H, W] in [−1, 1], H and W multiples of 2^halvings. The result has the images' dtype;
/// gradients flow through images and weights.
KlMoments moments(const AutoencoderKl& m, const at::Tensor& images);

/// Images of latents z [N, Z, h, w] as moments describes them; likewise.
at::Tensor decode(const AutoencoderKl& m, const at::Tensor& z);

/// Of an image of `pixels` = H W.
PassCost encode_cost(const AutoencoderKl& m, int64_t pixels);
PassCost decode_cost(const AutoencoderKl& m, int64_t pixels);

}  // namespace onestep
