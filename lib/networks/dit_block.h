// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/transformer_layers.h"

namespace onestep {

/// A transformer block whose norms are told the condition (adaLN-zero, Peebles & Xie 2023, section 3.2). With
/// shift, scale, gate of attention and then of mlp the six chunks of modulation(condition):
///   h = x + gate · attn(norm(x) (1 + scale) + shift),  the result h + gate · mlp(norm(h) (1 + scale) +
///   shift).
/// Its modulation starts at zero, and so it starts as the identity.
struct DitBlock {
  SelfAttention attn;
  FeedForward mlp;
  Linear modulation;
  double norm_eps = 1e-6;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("attn", m.attn);
    visit("mlp", m.mlp);
    visit("adaLN_modulation.1", m.modulation);
  }
};
struct DitBlockShape {
  int64_t channels, heads, hidden;
  double norm_eps = 1e-6;
};
DitBlock make_dit_block(Initializer& init, const DitBlockShape& shape);

/// x [N, T, D] → the same shape; condition [N, D], activated.
at::Tensor forward(const DitBlock& m, const at::Tensor& x, const at::Tensor& condition);

/// The same bits, but the backward pass computes the block once more instead of keeping what is inside it.
at::Tensor forward_recomputed(const DitBlock& m, const at::Tensor& x, const at::Tensor& condition);

/// norm(x) (1 + scale) + shift; x [N, T, D], shift and scale [N, 1, D].
at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps);

}  // namespace onestep
