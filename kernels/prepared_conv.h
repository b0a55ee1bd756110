// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <optional>

#include <ATen/core/Tensor.h>

namespace onestep::kernels {

/// A convolution with stride 1 whose weights do not change any more: Winograd's transform of them, made once.
/// 3 × 3 by F(4 × 4, 3 × 3), as winograd_conv.h has it; 5 × 5 by F(2 × 2, 5 × 5), 36 products for 100; 1 × 7
/// and 7 × 1 by F(4, 7), 10 for 28; 1 × 3 and 3 × 1 by F(4, 3), 6 for 12.
struct PreparedConv {
  at::Tensor weights = {};  ///< transformed, as this process' instructions want them
  at::Tensor bias;          ///< [out]
  int64_t in = 0, out = 0;
  std::array<int64_t, 2> size{};     ///< the kernel's height and width
  std::array<int64_t, 2> padding{};  ///< zeros on each side
};

/// weight [out, in, height, width], bias [out], float32 on the CPU. Nothing where the kernel has another size
/// or fewer than 16 channels: oneDNN is faster there.
std::optional<PreparedConv> prepare_conv(const at::Tensor& weight, const at::Tensor& bias,
                                         std::array<int64_t, 2> padding);

/// ReLU(conv(x) + bias) of x [N, in, H, W], float32 on the CPU, channels-last (it is copied otherwise), in
/// one pass; no gradient. An image's bits depend neither on its batch nor on threads. Error against float64
/// beside the direct convolution's: 1–3 ×, with seven taps 5 ×. Throws c10::Error on an x that does not fit.
at::Tensor conv_relu(const PreparedConv& conv, const at::Tensor& x);

}  // namespace onestep::kernels
