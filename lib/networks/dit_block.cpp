// SPDX-License-Identifier: Apache-2.0
#include "networks/dit_block.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>

#include "networks/recompute.h"

namespace onestep {

DitBlock make_dit_block(Initializer& init, const DitBlockShape& s) {
  return {.attn = make_self_attention(init, s.channels, s.heads),
          .mlp = make_feed_forward(init, s.channels, s.hidden),
          .modulation = make_linear(init, s.channels, 6 * s.channels, /*bias=*/true, /*scale=*/0),
          .norm_eps = s.norm_eps};
}

at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps) {
  return at::addcmul(shift, layer_norm(x, eps), scale + 1);
}

at::Tensor forward(const DitBlock& m, const at::Tensor& x, const at::Tensor& condition) {
  const auto chunks = forward(m.modulation, condition).unsqueeze(1).chunk(6, -1);
  const auto branch = [&](const auto& layer, const at::Tensor& h, size_t first) {
    const at::Tensor &shift = chunks[first], &scale = chunks[first + 1], &gate = chunks[first + 2];
    return at::addcmul(h, gate, forward(layer, modulated_norm(h, shift, scale, m.norm_eps)));
  };
  return branch(m.mlp, branch(m.attn, x, 0), 3);
}

at::Tensor forward_recomputed(const DitBlock& m, const at::Tensor& x, const at::Tensor& condition) {
  return recomputed(m, {x, condition}, [](const DitBlock& block, const std::vector<at::Tensor>& inputs) {
    return forward(block, inputs[0], inputs[1]);
  });
}

}  // namespace onestep
