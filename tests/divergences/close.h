// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/sub.h>

namespace onestep {

/// max|a − b| / max|b| over the tensor: the golden files' measure. NaN unless both are finite of one shape.
/// Any device.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "relative_error: ", a.sizes(), " against ", b.sizes());
  const at::Tensor wide = b.detach().to(at::kCPU, at::kDouble);
  return at::sub(a.detach().to(at::kCPU, at::kDouble), wide).abs().max().item<double>() /
         wide.abs().max().item<double>();
}

/// max over the elements of |a − b| / |b|.
inline double worst_relative_error(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "worst_relative_error: ", a.sizes(), " against ", b.sizes());
  const at::Tensor wide = b.detach().to(at::kCPU, at::kDouble);
  return at::sub(a.detach().to(at::kCPU, at::kDouble), wide).abs().div(wide.abs()).max().item<double>();
}

}  // namespace onestep
