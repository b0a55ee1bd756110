// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/max.h>

namespace onestep::test {

/// max|a − b| / max|b| over the tensor: the measure that golden files state their tolerances in. Infinite for
/// shapes that differ or numbers that are not finite. Each may lie on any device.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (b.numel() == 0) return 0;
  const at::Tensor wide_a = a.detach().to(at::kCPU, at::kDouble);
  const at::Tensor wide_b = b.detach().to(at::kCPU, at::kDouble);
  const double error = (wide_a - wide_b).abs().max().item<double>();
  const double scale = wide_b.abs().max().item<double>();
  const double relative = scale > 0 ? error / scale : error;
  return std::isfinite(relative) ? relative : std::numeric_limits<double>::infinity();
}

}  // namespace onestep::test
