// SPDX-License-Identifier: Apache-2.0
#include "networks/unet_block.h"

#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include "networks/recompute.h"

namespace onestep {
namespace {

/// (a + b) scale.
at::Tensor scaled_sum(const at::Tensor& a, const at::Tensor& b, double scale) {
  at::Tensor sum = a + b;
  return scale == 1 ? sum : sum.mul_(scale);
}

/// A layer whose outputs, q, k and v of each head in turn for each channel, are ordered q, k, v first: moving
/// the few weights is cheaper than moving the maps.
Conv2d in_order_of_use(const Conv2d& qkv, int64_t heads) {
  const int64_t channels = qkv.weight.size(0) / 3;
  const auto ordered = [&](const at::Tensor& t) {
    return t.view({heads, channels / heads, 3, -1}).permute({2, 0, 1, 3}).reshape(t.sizes());
  };
  return {.weight = ordered(qkv.weight), .bias = ordered(qkv.bias)};
}

at::Tensor forward(const Attention& m, const at::Tensor& x, double scale) {
  const int64_t n = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const at::Tensor qkv = onestep::forward(in_order_of_use(m.qkv, m.heads), onestep::forward(m.norm2, x));
  const auto parts = qkv.permute({0, 2, 3, 1})
                         .reshape({n, height * width, 3, m.heads, channels / m.heads})
                         .permute({2, 0, 3, 4, 1})
                         .unbind();  // [N, heads, C, pixels] of q, k and v
  const auto part = [&](int64_t which) { return parts[which].reshape({n * m.heads, -1, height * width}); };
  const at::Tensor mixed = attend(part(0), part(1), part(2))
                               .reshape({n, m.heads, -1, height * width})
                               .permute({0, 3, 1, 2})
                               .reshape({n, height, width, channels})
                               .permute({0, 3, 1, 2});
  return scaled_sum(x, onestep::forward(m.proj, mixed), scale);
}

}  // namespace

UNetBlockStyle song_style(int64_t embedding, std::vector<double> filter) {
  return {.embedding = embedding,
          .filter = std::move(filter),
          .eps = 1e-6,
          .skip_scale = std::sqrt(0.5),
          .adaptive_scale = false,
          .projects_resampled = true,
          .channels_per_head = 0,
          .init = {},
          .init_qkv = {.weight = std::sqrt(0.2)},
          .init_last = {.weight = 1e-5}};
}

UNetBlockStyle adm_style(int64_t embedding) {
  const double third = std::sqrt(1.0 / 3);  // the fans' numbers are U(±1/√fan_in) then
  const InitLaw init{.fans = InitLaw::Fans::kaiming_uniform, .weight = third, .bias = third};
  return {.embedding = embedding,
          .filter = {1, 1},
          .eps = 1e-5,
          .skip_scale = 1,
          .adaptive_scale = true,
          .projects_resampled = false,
          .channels_per_head = 64,
          .init = init,
          .init_qkv = init,
          .init_last = {.weight = 0}};
}

UNetBlock make_unet_block(Initializer& init, const UNetBlockStyle& style, const UNetBlockShape& s) {
  UNetBlock m{.norm0 = make_group_norm(init, s.in, style.eps),
              .conv0 = make_conv(init, {s.in, s.out, 3, s.resample, style.filter}, style.init),
              .affine = make_linear(init, style.embedding, style.adaptive_scale ? 2 * s.out : s.out,
                                    /*bias=*/true, style.init),
              .norm1 = make_group_norm(init, s.out, style.eps),
              .conv1 = make_conv(init, {s.out, s.out, 3}, style.init_last),
              .adaptive_scale = style.adaptive_scale,
              .skip_scale = style.skip_scale};
  if (s.in != s.out || s.resample != Resample::none) {
    const int64_t kernel = s.in != s.out || style.projects_resampled ? 1 : 0;
    m.skip = make_conv(init, {s.in, s.out, kernel, s.resample, style.filter}, style.init);
  }
  const int64_t heads = style.channels_per_head == 0 ? 1 : s.out / style.channels_per_head;
  if (s.attention && heads > 0) {
    m.attention = Attention{.norm2 = make_group_norm(init, s.out, style.eps),
                            .qkv = make_conv(init, {s.out, 3 * s.out, 1}, style.init_qkv),
                            .proj = make_conv(init, {s.out, s.out, 1}, style.init_last),
                            .heads = heads};
  }
  return m;
}

at::Tensor forward(const UNetBlock& m, const at::Tensor& input, const at::Tensor& embedding,
                   DropoutStream* masks) {
  // The block's own uses of its input are one to the gradient, which is summed in the same order then,
  // recomputed or not.
  const at::Tensor x = input.view_as(input);
  at::Tensor h = forward(m.conv0, norm_silu(m.norm0, x));
  const at::Tensor told = forward(m.affine, embedding);
  if (m.adaptive_scale) {
    const auto parts = told.chunk(2, 1);
    h = adaptive_norm_silu(m.norm1, h, /*scale=*/parts[0], /*shift=*/parts[1]);
  } else {
    h = norm_silu(m.norm1, h, told);
  }
  h = forward(m.conv1, dropout(h, masks));
  h = scaled_sum(h, m.skip ? forward(*m.skip, x) : x, m.skip_scale);
  return m.attention ? forward(*m.attention, h, m.skip_scale) : h;
}

at::Tensor forward_recomputed(const UNetBlock& m, const at::Tensor& x, const at::Tensor& embedding,
                              DropoutStream* masks) {
  // A copy of the stream, so that both times have the same masks; the caller's moves on as if it had been
  // used.
  const DropoutStream stream = masks != nullptr ? *masks : DropoutStream{.rate = 0, .seed = 0, .indices = {}};
  if (stream.rate > 0) ++masks->layer;
  return recomputed(m, {x, embedding}, [stream](const UNetBlock& block, const std::vector<at::Tensor>& in) {
    DropoutStream own = stream;
    return forward(block, in[0], in[1], &own);
  });
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (fuses_attention(q.size(2))) {
    const auto rows = [](const at::Tensor& x) { return x.transpose(1, 2).unsqueeze(1).contiguous(); };
    return at::scaled_dot_product_attention(rows(q), rows(k), rows(v)).squeeze(1).transpose(1, 2);
  }
  const auto wide = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(1)));
  const at::Tensor weights =
      at::softmax(at::bmm(q.transpose(1, 2), k * scale), -1, wide).to(q.scalar_type());  // [B, query, key]
  return at::bmm(weights, v.transpose(1, 2)).transpose(1, 2);
}

}  // namespace onestep
