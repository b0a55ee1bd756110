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

/// The residual block of DDPM++ and NCSN++ (Song et al. 2021; Karras et al. 2022, appendix F.2):
///   h = conv1(dropout(silu(norm1(conv0(silu(norm0(x))) + affine(emb)))));  y = √½ (h + skip(x)),
/// then, with attention, y = √½ (y + attention(y)). conv0 and skip resample where the block does.
struct UNetBlock {
  GroupNorm norm0;
  Conv2d conv0;
  Linear affine;
  GroupNorm norm1;
  Conv2d conv1;
  std::optional<Conv2d> skip;
  std::optional<Attention> attention;

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

struct UNetBlockShape {
  int64_t in, out, embedding;
  Resample resample = Resample::none;
  bool attention = false;
  std::vector<double> filter = {1, 1};
};
UNetBlock make_unet_block(Initializer& init, const UNetBlockShape& shape);

inline int64_t in_channels(const UNetBlock& block) {
  return block.norm0.weight.size(0);
}

/// x [N, in, H, W], embedding [N, E] → [N, out, H', W'].
at::Tensor forward(const UNetBlock& m, const at::Tensor& x, const at::Tensor& embedding,
                   DropoutStream* masks);

/// The same, but the backward pass computes the block once more instead of keeping what is inside it.
at::Tensor forward_recomputed(const UNetBlock& m, const at::Tensor& x, const at::Tensor& embedding,
                              DropoutStream* masks);

/// Softmax attention of q, k, v [B, C, positions]: Σ_k softmax_k(qᵀk/√C) v, the softmax in at least float32.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace onestep
