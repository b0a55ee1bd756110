// SPDX-License-Identifier: Apache-2.0
#include "networks/unet_block.h"

#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

#include "networks/recompute.h"

namespace onestep {
namespace {

at::Tensor forward(const Attention& m, const at::Tensor& x) {
  // The official reshape interleaves q, k and v on the innermost channel index.
  const at::Tensor qkv = onestep::forward(m.qkv, onestep::forward(m.norm2, x))
                             .reshape({x.size(0) * m.heads, x.size(1) / m.heads, 3, x.size(2) * x.size(3)});
  const at::Tensor mixed = attend(qkv.select(2, 0), qkv.select(2, 1), qkv.select(2, 2));
  return x + onestep::forward(m.proj, mixed.reshape(x.sizes()));
}

at::Tensor scaled(const at::Tensor& x, double scale) {
  return scale == 1 ? x : x * scale;
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
  at::Tensor h = forward(m.conv0, at::silu(forward(m.norm0, x)));
  const at::Tensor told = forward(m.affine, embedding).unsqueeze(-1).unsqueeze(-1);
  if (m.adaptive_scale) {
    const auto parts = told.chunk(2, 1);  // scale, shift
    h = at::addcmul(parts[1], forward(m.norm1, h), parts[0] + 1);
  } else {
    h = forward(m.norm1, h + told);
  }
  h = forward(m.conv1, dropout(at::silu(h), masks));
  h = scaled(h + (m.skip ? forward(*m.skip, x) : x), m.skip_scale);
  return m.attention ? scaled(forward(*m.attention, h), m.skip_scale) : h;
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
  return at::bmm(v, weights.transpose(1, 2));
}

}  // namespace onestep
