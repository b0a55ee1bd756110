// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "networks/layers.h"
#include "networks/network.h"

/// The blocks of latent diffusion's networks (Rombach et al. 2022), under the names that diffusers gives
/// them.
namespace onestep {

/// conv2(silu(norm2(conv1(silu(norm1(x)))))) + x, or + conv_shortcut(x) where the channels differ.
struct ResnetBlock {
  GroupNorm norm1;
  Conv2d conv1;
  GroupNorm norm2;
  Conv2d conv2;
  std::optional<Conv2d> conv_shortcut;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("norm1", m.norm1);
    visit("conv1", m.conv1);
    visit("norm2", m.norm2);
    visit("conv2", m.conv2);
    visit("conv_shortcut", m.conv_shortcut);
  }
};

/// What the blocks of a network have in common.
struct ResnetStyle {
  int64_t norm_groups;
  double eps;  ///< of the norms
};
ResnetBlock make_resnet_block(Initializer& init, const ResnetStyle& style, int64_t in, int64_t out);

/// x [N, in, H, W] → [N, out, H, W].
at::Tensor forward(const ResnetBlock& m, const at::Tensor& x);

/// x + to_out(attention(to_q(n), to_k(n), to_v(n))), n = group_norm(x): one head, whose tokens are the
/// pixels.
struct PixelAttention {
  GroupNorm group_norm;
  Linear to_q, to_k, to_v, to_out;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("group_norm", m.group_norm);
    visit("to_q", m.to_q);
    visit("to_k", m.to_k);
    visit("to_v", m.to_v);
    visit("to_out.0", m.to_out);
  }
};
PixelAttention make_pixel_attention(Initializer& init, const ResnetStyle& style, int64_t channels);
at::Tensor forward(const PixelAttention& m, const at::Tensor& x);

/// What initial weights of these networks are: U(±1/√fan_in), biases too.
InitLaw resnet_init();

/// What one image costs, `pixels` in and out.
PassCost layer_cost(const ResnetBlock& m, int64_t pixels);
PassCost layer_cost(const PixelAttention& m, int64_t pixels);

}  // namespace onestep
