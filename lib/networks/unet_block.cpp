// SPDX-License-Identifier: Apache-2.0
#include "networks/unet_block.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

#include "networks/recompute.h"

namespace onestep {
namespace {

constexpr double kEps = 1e-6;
constexpr double kZeroScale = 1e-5;  // "zero" initialisation that still lets gradients through
const double kSkipScale = std::sqrt(0.5);

at::Tensor forward(const Attention& m, const at::Tensor& x) {
  // The official reshape interleaves q, k and v on the innermost channel index.
  const at::Tensor qkv = onestep::forward(m.qkv, onestep::forward(m.norm2, x))
                             .reshape({x.size(0) * m.heads, x.size(1) / m.heads, 3, x.size(2) * x.size(3)});
  const at::Tensor mixed = attend(qkv.select(2, 0), qkv.select(2, 1), qkv.select(2, 2));
  return x + onestep::forward(m.proj, mixed.reshape(x.sizes()));
}

}  // namespace

UNetBlock make_unet_block(Initializer& init, const UNetBlockShape& s) {
  UNetBlock m{.norm0 = make_group_norm(init, s.in, kEps),
              .conv0 = make_conv(init, {s.in, s.out, 3, s.resample, s.filter}),
              .affine = make_linear(init, s.embedding, s.out),
              .norm1 = make_group_norm(init, s.out, kEps),
              .conv1 = make_conv(init, {s.out, s.out, 3}, kZeroScale)};
  if (s.in != s.out || s.resample != Resample::none) {
    m.skip = make_conv(init, {s.in, s.out, 1, s.resample, s.filter});
  }
  if (s.attention) {
    m.attention = Attention{.norm2 = make_group_norm(init, s.out, kEps),
                            .qkv = make_conv(init, {s.out, 3 * s.out, 1}, std::sqrt(0.2)),
                            .proj = make_conv(init, {s.out, s.out, 1}, kZeroScale)};
  }
  return m;
}

at::Tensor forward(const UNetBlock& m, const at::Tensor& input, const at::Tensor& embedding,
                   DropoutStream* masks) {
  // The block's own uses of its input are one to the gradient, which is summed in the same order then,
  // recomputed or not.
  const at::Tensor x = input.view_as(input);
  at::Tensor h = forward(m.conv0, at::silu(forward(m.norm0, x)));
  h = h + forward(m.affine, embedding).unsqueeze(-1).unsqueeze(-1);
  h = forward(m.conv1, dropout(at::silu(forward(m.norm1, h)), masks));
  h = (h + (m.skip ? forward(*m.skip, x) : x)) * kSkipScale;
  return m.attention ? forward(*m.attention, h) * kSkipScale : h;
}

at::Tensor forward_recomputed(const UNetBlock& m, const at::Tensor& x, const at::Tensor& embedding,
                              DropoutStream* masks) {
  std::vector<at::Tensor> inputs{x, embedding};
  for_each_tensor(const_cast<UNetBlock&>(m), [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer) inputs.push_back(tensor);
  });
  // A copy of the stream, so that both times have the same masks; the caller's moves on as if it had been
  // used.
  const DropoutStream stream = masks != nullptr ? *masks : DropoutStream{.rate = 0, .seed = 0, .indices = {}};
  if (stream.rate > 0) ++masks->layer;
  const auto block = [m, stream](const std::vector<at::Tensor>& tensors) {
    UNetBlock here = m;
    size_t next = 2;
    for_each_tensor(here, [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
      if (!is_buffer) tensor = tensors[next++];
    });
    DropoutStream own = stream;
    return forward(here, tensors[0], tensors[1], &own);
  };
  return recomputed(block, inputs);
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto wide = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(1)));
  const at::Tensor weights =
      at::softmax(at::bmm(q.transpose(1, 2), k * scale), -1, wide).to(q.scalar_type());  // [B, query, key]
  return at::bmm(v, weights.transpose(1, 2));
}

}  // namespace onestep
