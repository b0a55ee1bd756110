// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/layers.h"

/// Layers on tokens [N, T, D] under the names that vision transformers have given them.
namespace onestep {

/// Softmax attention between all tokens of an image in `heads` parts of the channels (Vaswani et al. 2017):
/// proj(Σ_k softmax_k(q kᵀ/√d) v), the softmax in at least float32. The rows of qkv are q's, k's, v's, each
/// head by head.
struct SelfAttention {
  Linear qkv, proj;
  int64_t heads = 1;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("qkv", m.qkv);
    visit("proj", m.proj);
  }
};
SelfAttention make_self_attention(Initializer& init, int64_t channels, int64_t heads);
at::Tensor forward(const SelfAttention& m, const at::Tensor& x);

/// fc2(gelu(fc1(x))) of each token, gelu by its tanh approximation.
struct FeedForward {
  Linear fc1, fc2;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("fc1", m.fc1);
    visit("fc2", m.fc2);
  }
};
FeedForward make_feed_forward(Initializer& init, int64_t channels, int64_t hidden);
at::Tensor forward(const FeedForward& m, const at::Tensor& x);

/// Each token normalised over its channels (Ba et al. 2016), without weights; statistics in at least float32.
at::Tensor layer_norm(const at::Tensor& x, double eps);

}  // namespace onestep
