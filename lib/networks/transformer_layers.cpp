// SPDX-License-Identifier: Apache-2.0
#include "networks/transformer_layers.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace onestep {

SelfAttention make_self_attention(Initializer& init, int64_t channels, int64_t heads) {
  return {.qkv = make_linear(init, channels, 3 * channels),
          .proj = make_linear(init, channels, channels),
          .heads = heads};
}

at::Tensor forward(const SelfAttention& m, const at::Tensor& x) {
  const int64_t n = x.size(0), tokens = x.size(1), channels = x.size(2);
  const at::Tensor qkv =
      forward(m.qkv, x).view({n, tokens, 3, m.heads, channels / m.heads}).permute({2, 0, 3, 1, 4});
  const at::Tensor mixed = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);  // [N, heads, T, d]
  return forward(m.proj, mixed.transpose(1, 2).reshape({n, tokens, channels}));
}

FeedForward make_feed_forward(Initializer& init, int64_t channels, int64_t hidden) {
  return {.fc1 = make_linear(init, channels, hidden), .fc2 = make_linear(init, hidden, channels)};
}

at::Tensor forward(const FeedForward& m, const at::Tensor& x) {
  return forward(m.fc2, at::gelu(forward(m.fc1, x), "tanh"));
}

at::Tensor layer_norm(const at::Tensor& x, double eps) {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, eps);
}

}  // namespace onestep
