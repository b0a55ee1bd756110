// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace onestep::kernels {

/// Numbers that lie together in a product: channels are multiples of it.
constexpr int64_t kLinearUnit = 16;

/// A layer's sizes: x is [rows, in], y [rows, out], weight [out, in], contiguous float32.
struct LinearShape {
  int64_t rows, in, out;
};

/// y = x weightᵀ + bias (null: 0). Host pointers, like those of the others.
void linear_cpu(const LinearShape& shape, const float* x, const float* weight, const float* bias, float* y);
/// grad_x = grad_y weight.
void linear_grad_x_cpu(const LinearShape& shape, const float* grad_y, const float* weight, float* grad_x);
/// grad_weight = grad_yᵀ x.
void linear_grad_weight_cpu(const LinearShape& shape, const float* x, const float* grad_y,
                            float* grad_weight);

}  // namespace onestep::kernels
