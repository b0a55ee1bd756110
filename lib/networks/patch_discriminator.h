// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "config/check.h"
#include "networks/network.h"

namespace onestep {

struct PatchDiscriminatorConfig {
  int64_t channels = 32;
  int64_t levels = 2;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("channels", c.channels, "channels of the discriminator's first level; each next has twice as many",
          config::between(16, 1024));
    visit("levels", c.levels, "how often it halves the picture: 2 make patches of 15 x 15, 3 of 31 x 31",
          config::between(1, 6));
  }
  std::string problem() const { return channels % 16 == 0 ? "" : "channels must be a multiple of 16"; }
};

/// Tells patches of pictures apart (PatchGAN, Isola et al. 2017): levels of a 3×3 convolution of stride 2,
/// group normalisation but at the first, and SiLU, then a 3×3 convolution to a map of logits.
struct PatchDiscriminator {
  std::vector<std::pair<std::string, Conv2d>> convs;
  std::vector<std::pair<std::string, GroupNorm>> norms;  ///< of the second level and on
  Conv2d logit;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("convs", m.convs);
    visit("norms", m.norms);
    visit("logit", m.logit);
  }
};

/// Weights drawn from `seed`, float32, on the CPU; shapes alone on at::kMeta.
PatchDiscriminator make_patch_discriminator(const PatchDiscriminatorConfig& config, int64_t image_channels,
                                            uint64_t seed, at::Device device = at::kCPU);

/// Logits [N, patches], float32 at least, of pictures [N, C, H, W]: positive means "looks real". Gradients
/// flow through both.
at::Tensor forward(const PatchDiscriminator& m, const at::Tensor& pictures);

/// Of one picture.
PassCost pass_cost(const PatchDiscriminator& m, const ImageShape& picture);

}  // namespace onestep
