// SPDX-License-Identifier: Apache-2.0
#include "kernels/group_norm_silu.h"

#include <array>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cuda_plugin.h"
#include "kernels/group_norm_silu_core.h"
#include "kernels/tensor_data.h"

namespace onestep::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What statistics and terms are computed in.
at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

void check(const at::Tensor& x, int64_t groups, const GroupNormTerms& t) {
  TORCH_CHECK(x.dim() == 4, "group_norm_silu: x must be [N, C, H, W], got ", x.sizes());
  TORCH_CHECK(
      x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble || x.scalar_type() == at::kBFloat16,
      "group_norm_silu: x must be float32, float64 or bfloat16, got ", x.scalar_type());
  TORCH_CHECK(x.is_cpu() || has_launchers(x.device()), "group_norm_silu: no kernel for device ", x.device());
  TORCH_CHECK(groups > 0 && x.size(1) % groups == 0, "group_norm_silu: ", x.size(1), " channels in ", groups,
              " groups");
  const auto check_term = [&](const at::Tensor& term, const char* name, int64_t dim) {
    TORCH_CHECK(term.dim() == dim && term.sizes() == x.sizes().slice(2 - dim, dim) &&
                    (term.scalar_type() == x.scalar_type() || term.scalar_type() == wide_type(x)) &&
                    term.device() == x.device(),
                "group_norm_silu: ", name, " is ", term.scalar_type(), term.sizes(), " on ", term.device(),
                ", x is ", x.scalar_type(), x.sizes(), " on ", x.device());
  };
  const int64_t dim = t.gain.dim() == 2 ? 2 : 1;
  check_term(t.gain, "gain", dim);
  check_term(t.offset, "offset", dim);
  if (t.added.defined()) check_term(t.added, "added", 2);
}

/// What the backward pass needs again.
struct Call {
  at::Tensor x, gain, offset, added, mean, inverse_deviation, channel_mean;
  int64_t groups;
  double eps;
  bool silu;
};

template <class Real>
GroupNormArrays<Real> arrays_of(const Call& c, const at::Tensor& y) {
  return {.x = read<Real>(c.x),
          .gain = read<Wide<Real>>(c.gain),
          .offset = read<Wide<Real>>(c.offset),
          .added = read<Wide<Real>>(c.added),
          .images = c.x.size(0),
          .pixels = c.x.size(2) * c.x.size(3),
          .channels = c.x.size(1),
          .groups = c.groups,
          .coefficient_stride = c.gain.dim() == 2 ? c.x.size(1) : 0,
          .eps = c.eps,
          .silu = c.silu,
          .y = write<Real>(y),
          .mean = write<Wide<Real>>(c.mean),
          .inverse_deviation = write<Wide<Real>>(c.inverse_deviation),
          .channel_mean = write<Wide<Real>>(c.channel_mean)};
}

/// Calls run.template operator()<Real>() for the dtype.
template <class Run>
void for_dtype(at::ScalarType dtype, const Run& run) {
  if (dtype == at::kDouble) return run.template operator()<double>();
  if (dtype == at::kFloat) return run.template operator()<float>();
  run.template operator()<BFloat16>();
}

template <class Real>
struct Launchers;
#define ONESTEP_GROUP_NORM_NAMES(Real, suffix)                                                \
  template <>                                                                                 \
  struct Launchers<Real> {                                                                    \
    using Forward = decltype(onestep_group_norm_silu_cuda_##suffix);                          \
    using Backward = decltype(onestep_group_norm_silu_backward_cuda_##suffix);                \
    static constexpr const char* forward = "onestep_group_norm_silu_cuda_" #suffix;           \
    static constexpr const char* backward = "onestep_group_norm_silu_backward_cuda_" #suffix; \
  };
ONESTEP_GROUP_NORM_NAMES(float, f32)
ONESTEP_GROUP_NORM_NAMES(double, f64)
ONESTEP_GROUP_NORM_NAMES(BFloat16, bf16)
#undef ONESTEP_GROUP_NORM_NAMES

at::Tensor run_forward(const Call& call) {
  const at::Tensor y = at::empty_like(call.x);
  if (y.numel() == 0) return y;
  for_dtype(y.scalar_type(), [&]<class Real> {
    const GroupNormArrays<Real> arrays = arrays_of<Real>(call, y);
    if (y.is_cpu()) return group_norm_silu_cpu(arrays);
    launch<typename Launchers<Real>::Forward>(Launchers<Real>::forward, y.device(), arrays);
  });
  return y;
}

struct Gradients {
  at::Tensor x, gain, offset, added;
};

Gradients run_backward(const Call& call, const at::Tensor& grad_y) {
  const at::TensorOptions wide = call.mean.options();
  const std::array<int64_t, 2> per_image{call.x.size(0), call.x.size(1)};
  Gradients g{at::empty_like(call.x), at::empty(per_image, wide), at::empty(per_image, wide),
              call.added.defined() ? at::empty(per_image, wide) : at::Tensor()};
  if (g.x.numel() == 0) return g;
  for_dtype(g.x.scalar_type(), [&]<class Real> {
    const GroupNormArrays<Real> arrays = arrays_of<Real>(call, at::Tensor());
    const GroupNormGradients<Real> gradients{read<Real>(grad_y), write<Real>(g.x), write<Wide<Real>>(g.gain),
                                             write<Wide<Real>>(g.offset), write<Wide<Real>>(g.added)};
    if (g.x.is_cpu()) return group_norm_silu_backward_cpu(arrays, gradients);
    launch<typename Launchers<Real>::Backward>(Launchers<Real>::backward, g.x.device(), arrays, gradients);
  });
  return g;
}

struct GroupNormFunction : torch::autograd::Function<GroupNormFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gain,
                            const at::Tensor& offset, const std::optional<at::Tensor>& added, int64_t groups,
                            double eps, bool silu) {
    const auto wide = x.options().dtype(wide_type(x));
    const Call call{.x = channels_last(x),
                    .gain = gain.contiguous(),
                    .offset = offset.contiguous(),
                    .added = added ? added->contiguous() : at::Tensor(),
                    .mean = at::empty({x.size(0), groups}, wide),
                    .inverse_deviation = at::empty({x.size(0), groups}, wide),
                    .channel_mean = at::empty({x.size(0), x.size(1)}, wide),
                    .groups = groups,
                    .eps = eps,
                    .silu = silu};
    context->save_for_backward(
        {call.x, call.gain, call.offset, call.added, call.mean, call.inverse_deviation, call.channel_mean});
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    return run_forward(call);
  }

  static variable_list backward(AutogradContext* context, variable_list grad_y) {
    const variable_list saved = context->get_saved_variables();
    const Call call{saved[0],
                    saved[1],
                    saved[2],
                    saved[3],
                    saved[4],
                    saved[5],
                    saved[6],
                    context->saved_data["groups"].toInt(),
                    context->saved_data["eps"].toDouble(),
                    context->saved_data["silu"].toBool()};
    const Gradients g = run_backward(call, channels_last(grad_y[0]));
    const auto as_given = [&](const at::Tensor& gradient, const at::Tensor& term) {
      if (!term.defined()) return at::Tensor();
      return term.dim() == 1 ? gradient.sum(0) : gradient;
    };
    return {g.x,
            as_given(g.gain, call.gain),
            as_given(g.offset, call.offset),
            as_given(g.added, call.added),
            {},
            {},
            {}};
  }
};

}  // namespace

at::Tensor group_norm_silu(const at::Tensor& x, int64_t groups, const GroupNormTerms& terms, double eps,
                           bool silu) {
  check(x, groups, terms);
  const at::ScalarType wide = wide_type(x);
  const auto added = terms.added.defined() ? std::optional(terms.added.to(wide)) : std::nullopt;
  return GroupNormFunction::apply(x, terms.gain.to(wide), terms.offset.to(wide), added, groups, eps, silu);
}

}  // namespace onestep::kernels
