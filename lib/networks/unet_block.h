// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "networks/layers.h"

namespace onestep {

/// Self-attention over the pixels of a feature map, with a residual: x + proj(attention(qkv(norm2(x)))).
struct Attention {
  GroupNorm norm2;
  Conv2d qkv, proj;
  int64_t heads = 1;
};

/// The residual block of EDM's U-Nets (Karras et al. 2022, appendix F.2):
///   h = conv1(dropout(silu(told(conv0(silu(norm0(x)))))));  y = skip_scale (h + skip(x)),
/// then, with attention, y = skip_scale (y + attention(y)). conv0 and skip resample where the block does. The
/// embedding is told by addition, norm1(h + affine(emb)), or as ADM has it (Dhariwal & Nichol 2021) by
/// (1 + scale) norm1(h) + shift with (scale, shift) = affine(emb).
struct UNetBlock {
  GroupNorm norm0;
  Conv2d conv0;
  Linear affine;
  GroupNorm norm1;
  Conv2d conv1;
  std::optional<Conv2d> skip;
  std::optional<Attention> attention;
  bool adaptive_scale = false;
  double skip_scale = 1;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("norm0", m.norm0);
    visit("conv0", m.conv0);
    visit("affine", m.affine);
    visit("norm1", m.norm1);
    visit("conv1", m.conv1);
    visit("skip", m.skip);
    if (m.attention) {  // flat names, as official checkpoints have them
      visit("norm2", m.attention->norm2);
      visit("qkv", m.attention->qkv);
      visit("proj", m.attention->proj);
    }
  }
};

/// What all blocks of a network have in common.
struct UNetBlockStyle {
  int64_t embedding;           ///< its width
  std::vector<double> filter;  ///< of resampling
  double eps;                  ///< of the norms
  double skip_scale;
  bool adaptive_scale;        ///< scale and shift, or addition
  bool projects_resampled;    ///< a skip that only resamples has a 1×1 convolution too
  int64_t channels_per_head;  ///< 0: one head. A block with fewer channels than that has no attention at all.
  InitLaw init, init_qkv, init_last;  ///< last: conv1 and proj, with which a branch begins near zero
};
UNetBlockStyle song_style(int64_t embedding, std::vector<double> filter);  ///< DDPM++ and NCSN++
UNetBlockStyle adm_style(int64_t embedding);

struct UNetBlockShape {
  int64_t in, out;
  Resample resample = Resample::none;
  bool attention = false;
};
UNetBlock make_unet_block(Initializer& init, const UNetBlockStyle& style, const UNetBlockShape& shape);

inline int64_t in_channels(const UNetBlock& block) {
  return block.norm0.weight.size(0);
}
inline int64_t out_channels(const UNetBlock& block) {
  return block.norm1.weight.size(0);
}

/// x [N, in, H, W], embedding [N, E] → [N, out, H', W'].
at::Tensor forward(const UNetBlock& m, const at::Tensor& x, const at::Tensor& embedding,
                   DropoutStream* masks);

/// The same, but the backward pass computes the block once more instead of keeping what is inside it.
at::Tensor forward_recomputed(const UNetBlock& m, const at::Tensor& x, const at::Tensor& embedding,
                              DropoutStream* masks);

/// Softmax attention of q, k, v [B, C, positions]: Σ_k softmax_k(qᵀk/√C) v, the softmax in at least float32.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

/// Whether `attend` calls the library's fused attention, which keeps no weights for the backward pass. On a
/// CPU thread, forward and backward, it takes 1.2 times as long as two products and a softmax at 256
/// positions of 256 channels, as long at 576, and half as long at 1024 positions of ADM's 64 channels.
constexpr bool fuses_attention(int64_t positions) {
  return positions > 512;
}

}  // namespace onestep
