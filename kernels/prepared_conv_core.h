// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "kernels/winograd_conv_core.h"

namespace onestep::kernels {

/// Sizes of a convolution of images [images, height, width, in], and of its kernel.
struct PreparedShape {
  int64_t in, out, taps_down, taps_across;
  int64_t border_down, border_across;
  int64_t images = 0, height = 0, width = 0;  ///< of the input
  int64_t height_out() const { return height + 2 * border_down - taps_down + 1; }
  int64_t width_out() const { return width + 2 * border_across - taps_across + 1; }
};

/// Floats of the transformed weights, 0 for a kernel without an algorithm. Of the shape, the sizes up to the
/// taps count, here and in the next.
int64_t prepared_weights_size(WinogradTarget target, const PreparedShape& shape);
/// weight [out, in, taps_down, taps_across], contiguous.
void prepare_weights_cpu(WinogradTarget target, const PreparedShape& shape, const float* weight,
                         float* transformed);
/// y = ReLU(conv(x) + bias).
void prepared_conv_cpu(WinogradTarget target, const PreparedShape& shape, const float* x,
                       const float* weights, const float* bias, float* y);

}  // namespace onestep::kernels
