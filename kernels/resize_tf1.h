// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

/// Images for the FID Inception network: TensorFlow 1's bilinear resize, which has neither half-pixel centres
/// nor aligned corners, and the network's input range, in one pass.
///
///   src = j · W / width,  lo = ⌊src⌋,  hi = min(lo + 1, W − 1),  lerp in x, then in y;  out = (value − 128)
///   / 128.
///
/// images: uint8 [B, C, H, W], C = 1 or 3; grey is repeated. Returns float32 [B, 3, height, width],
/// contiguous, on the images' device. An image's pixels depend on no other image and not on the thread count.
/// Throws c10::Error on another dtype, rank or number of channels, and on empty images.
namespace onestep::kernels {

at::Tensor resize_tf1(const at::Tensor& images, int64_t height = 299, int64_t width = 299);

}  // namespace onestep::kernels
