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

/// ADM (Dhariwal & Nichol 2021, as in Karras et al. 2022, appendix F.3) under the official names. The
/// defaults are those of ImageNet-64, of which it is unconditional here.
struct DhariwalUNetConfig {
  static constexpr const char* kind = "dhariwal_unet";
  int64_t img_resolution = 64;
  int64_t img_channels = 3;
  int64_t out_channels = 0;
  int64_t label_dim = 0;
  int64_t augment_dim = 0;
  int64_t model_channels = 192;
  std::vector<int64_t> channel_mult = {1, 2, 3, 4};
  int64_t channel_mult_emb = 4;
  int64_t num_blocks = 3;
  std::vector<int64_t> attn_resolutions = {32, 16, 8};
  double dropout = 0.10;
  double label_dropout = 0;
  std::string recompute = "none";

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    unet_fields(c, visit);
    recompute_field(c, visit);
  }
  std::string problem() const;
};

/// The embedding: e = map_layer1(silu(map_layer0(positional(c_noise) + map_augment(augment_labels)))), then
/// silu(e + map_label(classes)); the U-Net's blocks have the style of ADM.
struct DhariwalUNet {
  using Config = DhariwalUNetConfig;
  DhariwalUNetConfig config;
  std::optional<Linear> map_augment, map_label;
  Linear map_layer0, map_layer1;
  UNet unet;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("map_augment", m.map_augment);
    visit("map_layer0", m.map_layer0);
    visit("map_layer1", m.map_layer1);
    visit("map_label", m.map_label);
    UNet::parameters(m.unet, visit);
  }
};

ImageShape image_shape(const DhariwalUNetConfig& config);
int64_t label_dim(const DhariwalUNetConfig& config);

/// One a resolution, finest first, named "32x32": the deepest output of the encoder there.
std::vector<FeatureTap> feature_taps(const DhariwalUNetConfig& config);

/// Initial weights are drawn from `seed`, float32, on the CPU; on at::kMeta it has its shapes alone.
DhariwalUNet make_network(const DhariwalUNetConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// F(x; c_noise, condition): x [N, img_channels, R, R] → [N, out_channels, R, R]. Gradients flow through x
/// and weights.
NetworkOutput forward(const DhariwalUNet& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted = {});

PassCost pass_cost(const DhariwalUNet& m);

}  // namespace onestep
