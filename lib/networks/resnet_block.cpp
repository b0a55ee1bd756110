// SPDX-License-Identifier: Apache-2.0
#include "networks/resnet_block.h"

#include <cmath>

#include <ATen/TensorOperators.h>

#include "networks/layer_cost.h"
#include "networks/unet_block.h"

namespace onestep {
namespace {

GroupNorm make_norm(const Initializer& init, const ResnetStyle& style, int64_t channels) {
  return make_group_norm(init, channels, style.norm_groups, style.eps);
}

}  // namespace

InitLaw resnet_init() {
  const double third = std::sqrt(1.0 / 3);  // the fans' numbers are U(±1/√fan_in) then
  return {.fans = InitLaw::Fans::kaiming_uniform, .weight = third, .bias = third};
}

ResnetBlock make_resnet_block(Initializer& init, const ResnetStyle& style, int64_t in, int64_t out) {
  ResnetBlock m{.norm1 = make_norm(init, style, in),
                .conv1 = make_conv(init, {in, out, 3}, resnet_init()),
                .norm2 = make_norm(init, style, out),
                .conv2 = make_conv(init, {out, out, 3}, resnet_init()),
                .conv_shortcut = {}};
  if (in != out) m.conv_shortcut = make_conv(init, {in, out, 1}, resnet_init());
  return m;
}

at::Tensor forward(const ResnetBlock& m, const at::Tensor& x) {
  const at::Tensor h = forward(m.conv1, norm_silu(m.norm1, x));
  const at::Tensor residual = forward(m.conv2, norm_silu(m.norm2, h));
  return residual + (m.conv_shortcut ? forward(*m.conv_shortcut, x) : x);
}

PixelAttention make_pixel_attention(Initializer& init, const ResnetStyle& style, int64_t channels) {
  const auto linear = [&] { return make_linear(init, channels, channels, /*bias=*/true, resnet_init()); };
  return {.group_norm = make_norm(init, style, channels),
          .to_q = linear(),
          .to_k = linear(),
          .to_v = linear(),
          .to_out = linear()};
}

at::Tensor forward(const PixelAttention& m, const at::Tensor& x) {
  const at::Tensor tokens = forward(m.group_norm, x).flatten(2).transpose(1, 2);  // [N, pixels, C]
  const auto told = [&](const Linear& linear) { return forward(linear, tokens).transpose(1, 2); };
  const at::Tensor mixed = attend(told(m.to_q), told(m.to_k), told(m.to_v)).transpose(1, 2);
  return x + forward(m.to_out, mixed).transpose(1, 2).unflatten(2, {x.size(2), x.size(3)});
}

PassCost layer_cost(const ResnetBlock& m, int64_t pixels) {
  PassCost cost = layer_cost(m.conv1, pixels);
  cost += layer_cost(m.conv2, pixels);
  if (m.conv_shortcut) cost += layer_cost(*m.conv_shortcut, pixels);
  return cost;
}

PassCost layer_cost(const PixelAttention& m, int64_t pixels) {
  const int64_t channels = m.group_norm.weight.size(0);
  const int64_t weights = fuses_attention(pixels) ? 0 : pixels * pixels;
  return {.macs = pixels * (4 * m.to_q.weight.numel() + 2 * pixels * channels),
          .activations = 6 * pixels * channels + weights};
}

}  // namespace onestep
