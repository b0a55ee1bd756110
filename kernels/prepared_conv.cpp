// SPDX-License-Identifier: Apache-2.0
#include "kernels/prepared_conv.h"

#include <algorithm>

#include <ATen/ops/empty.h>

#include "kernels/prepared_conv_core.h"
#include "kernels/tensor_data.h"
#include "kernels/winograd_target.h"

namespace onestep::kernels {
namespace {

PreparedShape shape_of(const PreparedConv& m) {
  return {.in = m.in,
          .out = m.out,
          .taps_down = m.size[0],
          .taps_across = m.size[1],
          .border_down = m.padding[0],
          .border_across = m.padding[1]};
}

bool is_float_on_cpu(const at::Tensor& t) {
  return t.is_cpu() && t.scalar_type() == at::kFloat;
}

}  // namespace

std::optional<PreparedConv> prepare_conv(const at::Tensor& weight, const at::Tensor& bias,
                                         std::array<int64_t, 2> padding) {
  TORCH_CHECK(is_float_on_cpu(weight) && is_float_on_cpu(bias) && weight.dim() == 4 && bias.dim() == 1 &&
                  bias.size(0) == weight.size(0),
              "prepare_conv: needs float32 weight [out, in, height, width] and bias [out] on the CPU, got ",
              weight.sizes(), " and ", bias.sizes());
  PreparedConv m{.bias = bias.contiguous(),
                 .in = weight.size(1),
                 .out = weight.size(0),
                 .size = {weight.size(2), weight.size(3)},
                 .padding = padding};
  const int64_t floats = prepared_weights_size(winograd_target(), shape_of(m));
  if (floats == 0 || std::min(m.in, m.out) < 16) return std::nullopt;
  m.weights = at::empty({floats}, weight.options());
  prepare_weights_cpu(winograd_target(), shape_of(m), read<float>(weight.contiguous()),
                      write<float>(m.weights));
  return m;
}

at::Tensor conv_relu(const PreparedConv& m, const at::Tensor& x) {
  TORCH_CHECK(is_float_on_cpu(x), "conv_relu: x must be float32 on the CPU, is ", x.scalar_type(), " on ",
              x.device());
  TORCH_CHECK(x.dim() == 4 && x.size(1) == m.in, "conv_relu: x must be [N, ", m.in, ", H, W], got ",
              x.sizes());
  PreparedShape shape = shape_of(m);
  shape.images = x.size(0);
  shape.height = x.size(2);
  shape.width = x.size(3);
  const int64_t height = shape.height_out(), width = shape.width_out();
  TORCH_CHECK(height > 0 && width > 0, "conv_relu: x is smaller than the kernel, ", x.sizes());
  const at::Tensor images = channels_last(x);
  at::Tensor y = at::empty({shape.images, m.out, height, width},
                           x.options().memory_format(at::MemoryFormat::ChannelsLast));
  prepared_conv_cpu(winograd_target(), shape, read<float>(images), read<float>(m.weights),
                    read<float>(m.bias), write<float>(y));
  return y;
}

}  // namespace onestep::kernels
