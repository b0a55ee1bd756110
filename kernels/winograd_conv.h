// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep::kernels {

/// A 3 × 3 convolution with stride 1 and a border of one zero, as at::conv2d(x, weight, bias, 1, 1), by
/// Winograd's F(4 × 4, 3 × 3) (Lavin & Gray 2016, arXiv:1509.09308) with the points 0, ±√½, ±√2, ∞: each tile
/// of 4 × 4 pixels takes 36 products for an input and an output channel instead of 144,
///
///   Y = Aᵀ [Σ_in (G w Gᵀ) ⊙ (Bᵀ x B)] A.
///
/// x [N, in, H, W], weight [out, in, 3, 3], bias [out] or absent, all float32 or all bfloat16 on the CPU; the
/// arithmetic is float32 in both, and the gradients of weight and bias are. The result is channels-last,
/// which x should be, too (it is copied otherwise). The gradient of x is the same convolution with turned
/// weights, that of the weights the adjoint of the formula in them. A gradient that is to be differentiated
/// itself comes from ATen.
///
/// Rounding: 1.8 to 2.7 times the error of oneDNN's direct convolution, up to 3.5 in the weights' gradient
/// (kernels/README.md). The bits of an image's result and gradient depend neither on its batch nor on
/// threads, those of the weights' gradient not on threads; they are the same with AVX2 and AVX-512, and
/// others on a machine without. A number that is not finite spoils its tile. Throws c10::Error on shapes,
/// dtypes or devices that do not fit.
at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// Whether winograd_conv can take the place of at::conv2d with a border of half the kernel, and is faster. It
/// looks at dtype, device and sizes but the batch's, which decides over no image's bits.
bool prefers_winograd(const at::Tensor& x, const at::Tensor& weight);

}  // namespace onestep::kernels
