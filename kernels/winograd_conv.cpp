// SPDX-License-Identifier: Apache-2.0
#include "kernels/winograd_conv.h"

#include <algorithm>
#include <array>
#include <optional>

#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/needed_gradients.h"
#include "kernels/row_sums.h"
#include "kernels/tensor_data.h"
#include "kernels/winograd_conv_core.h"
#include "kernels/winograd_target.h"

namespace onestep::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_taken(const at::Tensor& t) {
  return t.is_cpu() && (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
}

void check(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto fits = [&](const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == x.scalar_type(); };
  TORCH_CHECK(is_taken(x) && fits(weight) && (!bias.defined() || fits(bias)),
              "winograd_conv: all must be float32, or all bfloat16, on the CPU, x is ", x.scalar_type(),
              " on ", x.device(), ", weight ", weight.scalar_type(), " on ", weight.device());
  TORCH_CHECK(x.dim() == 4 && weight.dim() == 4 && weight.size(1) == x.size(1) && weight.size(2) == 3 &&
                  weight.size(3) == 3,
              "winograd_conv: weight must be [out, in, 3, 3] for x [N, in, H, W], got ", weight.sizes(),
              " for ", x.sizes());
  TORCH_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
              "winograd_conv: bias must be [", weight.size(0), "], got ", bias.sizes());
}

WinogradShape shape_of(const at::Tensor& x, const at::Tensor& weight) {
  return {.images = x.size(0),
          .height = x.size(2),
          .width = x.size(3),
          .in = x.size(1),
          .out = weight.size(0),
          .weight = {weight.stride(0), weight.stride(1), weight.stride(3)}};
}

/// Weights whose taps follow one another at one distance, as in both layouts.
at::Tensor evenly_spaced(const at::Tensor& weight) {
  return weight.stride(2) == 3 * weight.stride(3) ? weight : weight.contiguous();
}

/// Calls run.template operator()<Real>() for the images' dtype.
template <class Run>
void for_dtype(const at::Tensor& x, const Run& run) {
  x.scalar_type() == at::kFloat ? run.template operator()<float>() : run.template operator()<BFloat16>();
}

// Weights are float32 in these three.

at::Tensor convolved(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  at::Tensor y = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)},
                           x.options().memory_format(at::MemoryFormat::ChannelsLast));
  for_dtype(x, [&]<class Real> {
    winograd_conv_cpu(winograd_target(), shape_of(x, weight), read<Real>(x), read<float>(weight),
                      read<float>(bias), write<Real>(y));
  });
  return y;
}

at::Tensor grad_x(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& grad_y) {
  at::Tensor grad = at::empty_like(x);
  for_dtype(x, [&]<class Real> {
    winograd_conv_grad_x_cpu(winograd_target(), shape_of(x, weight), read<Real>(grad_y), read<float>(weight),
                             write<Real>(grad));
  });
  return grad;
}

at::Tensor grad_weight(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& grad_y) {
  at::Tensor grad = at::empty_like(weight);
  for_dtype(x, [&]<class Real> {
    winograd_conv_grad_weight_cpu(winograd_target(), shape_of(x, weight), read<Real>(x), read<Real>(grad_y),
                                  write<float>(grad));
  });
  return grad;
}

at::Tensor grad_bias(const at::Tensor& grad_y) {
  if (grad_y.scalar_type() != at::kFloat) return grad_y.sum({0, 2, 3}, /*keepdim=*/false, at::kFloat);
  at::Tensor grad = at::empty({grad_y.size(1)}, grad_y.options());
  row_sums_cpu(read<float>(grad_y), grad_y.numel() / grad_y.size(1), grad_y.size(1), write<float>(grad));
  return grad;
}

struct WinogradFunction : torch::autograd::Function<WinogradFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    const at::Tensor images = channels_last(x), weights = evenly_spaced(weight).to(at::kFloat);
    context->save_for_backward({images, weights});
    context->saved_data["has_bias"] = bias.has_value();
    return convolved(images, weights, bias ? bias->contiguous().to(at::kFloat) : at::Tensor());
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const std::array<bool, 3> needed = needed_gradients(*context);
    if (c10::GradMode::is_enabled()) {
      const auto [of_x, of_weight, of_bias] = at::convolution_backward(
          grads[0], x, weight.to(x.scalar_type()), at::IntArrayRef{weight.size(0)}, {1, 1}, {1, 1}, {1, 1},
          /*transposed=*/false, {0, 0}, /*groups=*/1, needed);
      return {of_x, of_weight, of_bias};
    }
    const at::Tensor grad_y = channels_last(grads[0]);
    return {needed[0] ? grad_x(x, weight, grad_y) : at::Tensor(),
            needed[1] ? grad_weight(x, weight, grad_y) : at::Tensor(),
            needed[2] ? grad_bias(grad_y) : at::Tensor()};
  }
};

}  // namespace

at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  check(x, weight, bias);
  return WinogradFunction::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

bool prefers_winograd(const at::Tensor& x, const at::Tensor& weight) {
  constexpr int64_t kFewestChannels = 16;  // that are read: of a vector
  if (!is_taken(x) || weight.scalar_type() != x.scalar_type() || weight.size(2) != 3 || weight.size(3) != 3)
    return false;
  if (weight.size(1) < kFewestChannels) return false;
  // Of a tile's 36 products for 16 pixels, those beyond the border are wasted: 9 pixels must remain.
  const int64_t height = x.size(2), width = x.size(3), tiles = ((height + 3) / 4) * ((width + 3) / 4);
  return height * width >= 9 * tiles;
}

}  // namespace onestep::kernels
