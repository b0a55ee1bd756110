// SPDX-License-Identifier: Apache-2.0
#include "networks/head.h"

#include <algorithm>

#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/silu.h>

#include "kernels/philox.h"
#include "noise/purpose.h"

namespace onestep {
namespace {

constexpr int64_t kLastSize = 4;

Head make_head(Initializer& init, const FeatureTap& tap) {
  auto [name, channels, height, width] = tap;
  Head head;
  while (std::max(height, width) > kLastSize) {
    const std::string key = std::to_string(head.convs.size());
    head.convs.emplace_back(key, make_conv(init, {channels, channels, 3}));
    head.norms.emplace_back(key, make_group_norm(init, channels));
    height = (height + 1) / 2;
    width = (width + 1) / 2;
  }
  if (height * width == 1) head.hidden = make_linear(init, channels, channels);
  head.logit = make_linear(init, channels * height * width, 1);
  return head;
}

at::Tensor forward(const Head& m, at::Tensor x) {
  for (size_t i = 0; i < m.convs.size(); ++i) {
    const Conv2d& conv = m.convs[i].second;
    x = norm_silu(m.norms[i].second, at::conv2d(x, conv.weight, conv.bias, {2, 2}, {1, 1}));
  }
  x = x.flatten(1);
  if (m.hidden) x = at::silu(onestep::forward(*m.hidden, x));
  return forward_wide(m.logit, x);
}

}  // namespace

Heads make_heads(const std::vector<FeatureTap>& taps, uint64_t seed) {
  // A seed of its own, so that heads share no stream with the network that was drawn from `seed`.
  Initializer init{.seed = kernels::philox_bits(seed, word(Purpose::head_weights), 0, 0)};
  Heads m;
  for (const FeatureTap& tap : taps) m.heads.emplace_back(tap.name, make_head(init, tap));
  return m;
}

at::Tensor forward(const Heads& m, const std::vector<at::Tensor>& features) {
  TORCH_CHECK(features.size() == m.heads.size(), "discriminator: needs ", m.heads.size(),
              " feature maps, got ", features.size());
  std::vector<at::Tensor> logits;
  for (size_t i = 0; i < features.size(); ++i) logits.push_back(forward(m.heads[i].second, features[i]));
  return at::cat(logits, 1);
}

}  // namespace onestep
