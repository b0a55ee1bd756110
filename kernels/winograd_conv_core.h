// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "kernels/bfloat16.h"

namespace onestep::kernels {

/// Where the weight of (out, in, tap) lies: 9 taps, row by row.
struct WeightStrides {
  int64_t out, in, tap;
};

/// A convolution's sizes. Images are [images, height, width, channels], contiguous, float32 or bfloat16
/// (Real); weights and bias float32, and so is the weights' gradient, which lies as they do.
struct WinogradShape {
  int64_t images, height, width, in, out;
  WeightStrides weight;
};

/// The instructions that a copy of the arithmetic was compiled for.
enum class WinogradTarget { baseline, avx2, avx512 };

/// y = conv(x, weight) + bias (null: 0). Host pointers, like those of the others.
template <class Real>
void winograd_conv_cpu(WinogradTarget target, const WinogradShape& shape, const Real* x, const float* weight,
                       const float* bias, Real* y);
/// grad_x.
template <class Real>
void winograd_conv_grad_x_cpu(WinogradTarget target, const WinogradShape& shape, const Real* grad_y,
                              const float* weight, Real* grad_x);
/// grad_weight.
template <class Real>
void winograd_conv_grad_weight_cpu(WinogradTarget target, const WinogradShape& shape, const Real* x,
                                   const Real* grad_y, float* grad_weight);

}  // namespace onestep::kernels
