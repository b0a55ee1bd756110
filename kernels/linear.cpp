// SPDX-License-Identifier: Apache-2.0
#include "kernels/linear.h"

#include <array>
#include <optional>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/linear_core.h"
#include "kernels/needed_gradients.h"
#include "kernels/row_sums.h"
#include "kernels/tensor_data.h"

namespace onestep::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_taken(const at::Tensor& t) {
  return t.is_cpu() && t.scalar_type() == at::kFloat;
}

bool fits(const at::Tensor& x, const at::Tensor& weight) {
  const bool images = x.dim() == 4;
  return (images || x.dim() == 2) && weight.dim() == x.dim() && weight.size(1) == x.size(1) &&
         weight.size(0) % kLinearUnit == 0 && weight.size(1) % kLinearUnit == 0 &&
         (!images || (weight.size(2) == 1 && weight.size(3) == 1));
}

void check(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(is_taken(x) && is_taken(weight) && (!bias.defined() || is_taken(bias)),
              "linear: all must be float32 on the CPU, x is ", x.scalar_type(), " on ", x.device(),
              ", weight ", weight.scalar_type(), " on ", weight.device());
  TORCH_CHECK(fits(x, weight), "linear: weight must be [out, in] for x [N, in], or [out, in, 1, 1] for x ",
              "[N, in, H, W], in and out multiples of ", kLinearUnit, ", got ", weight.sizes(), " for ",
              x.sizes());
  TORCH_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
              "linear: bias must be [", weight.size(0), "], got ", bias.sizes());
}

/// With its channels side by side.
at::Tensor by_rows(const at::Tensor& t) {
  return t.dim() == 4 ? channels_last(t) : t.contiguous();
}

LinearShape shape_of(const at::Tensor& x, const at::Tensor& weight) {
  return {.rows = x.numel() / x.size(1), .in = weight.size(1), .out = weight.size(0)};
}

/// [N, channels] or [N, channels, H, W] as `like` is.
at::Tensor empty_rows(const at::Tensor& like, int64_t channels) {
  if (like.dim() == 2) return at::empty({like.size(0), channels}, like.options());
  return at::empty({like.size(0), channels, like.size(2), like.size(3)},
                   like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

/// The gradients by operators that can be differentiated.
variable_list differentiable_gradients(const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& grad_y, const std::array<bool, 3>& needed) {
  const auto matrix = [](const at::Tensor& t) {
    return t.dim() == 2 ? t : t.permute({0, 2, 3, 1}).reshape({-1, t.size(1)});
  };
  const auto back = [&](const at::Tensor& rows) {
    return x.dim() == 2 ? rows
                        : rows.view({x.size(0), x.size(2), x.size(3), x.size(1)}).permute({0, 3, 1, 2});
  };
  const at::Tensor w = weight.flatten(1), g = matrix(grad_y);
  return {needed[0] ? back(at::mm(g, w)) : at::Tensor(),
          needed[1] ? at::mm(g.t(), matrix(x)).view_as(weight) : at::Tensor(),
          needed[2] ? g.sum(0) : at::Tensor()};
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias) {
    const at::Tensor x = by_rows(input), weight = w.contiguous();
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    at::Tensor y = empty_rows(x, weight.size(0));
    linear_cpu(shape_of(x, weight), read<float>(x), read<float>(weight),
               bias ? read<float>(bias->contiguous()) : nullptr, write<float>(y));
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const std::array<bool, 3> needed = needed_gradients(*context);
    if (c10::GradMode::is_enabled()) return differentiable_gradients(x, weight, grads[0], needed);
    const at::Tensor grad_y = by_rows(grads[0]);
    const LinearShape shape = shape_of(x, weight);
    variable_list result(3);
    if (needed[0]) {
      result[0] = at::empty_like(x);
      linear_grad_x_cpu(shape, read<float>(grad_y), read<float>(weight), write<float>(result[0]));
    }
    if (needed[1]) {
      result[1] = at::empty_like(weight);
      linear_grad_weight_cpu(shape, read<float>(x), read<float>(grad_y), write<float>(result[1]));
    }
    if (needed[2]) {
      result[2] = at::empty({shape.out}, x.options());
      row_sums_cpu(read<float>(grad_y), shape.rows, shape.out, write<float>(result[2]));
    }
    return result;
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  check(x, weight, bias);
  return LinearFunction::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

bool prefers_linear(const at::Tensor& x, const at::Tensor& weight) {
  constexpr int64_t kMostWeights = 8192;
  return is_taken(x) && is_taken(weight) && fits(x, weight) && weight.numel() <= kMostWeights;
}

}  // namespace onestep::kernels
