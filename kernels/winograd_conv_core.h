// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace onestep::kernels {

/// Where the weight of (out, in, tap) lies: 9 taps, row by row.
struct WeightStrides {
  int64_t out, in, tap;
};

/// A convolution's sizes. Images are [images, height, width, channels], contiguous; the weights' gradient
/// lies as they do.
struct WinogradShape {
  int64_t images, height, width, in, out;
  WeightStrides weight;
};

/// The instructions that a copy of the arithmetic was compiled for.
enum class WinogradTarget { baseline, avx2, avx512 };

/// y = conv(x, weight) + bias (null: 0). Host pointers, like those of the others.
void winograd_conv_cpu(WinogradTarget target, const WinogradShape& shape, const float* x, const float* weight,
                       const float* bias, float* y);
/// grad_x.
void winograd_conv_grad_x_cpu(WinogradTarget target, const WinogradShape& shape, const float* grad_y,
                              const float* weight, float* grad_x);
/// grad_weight.
void winograd_conv_grad_weight_cpu(WinogradTarget target, const WinogradShape& shape, const float* x,
                                   const float* grad_y, float* grad_weight);

}  // namespace onestep::kernels
