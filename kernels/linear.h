// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep::kernels {

/// A linear layer as at::linear(x, weight, bias), or a 1 × 1 convolution as at::conv2d(x, weight, bias):
/// where weights are few, what the libraries do around their products takes longer than the products.
///
///   y = W x + b   of each row or pixel.
///
/// x [N, in] with weight [out, in], or x [N, in, H, W] with weight [out, in, 1, 1]; bias [out] or absent; all
/// float32 on the CPU, `in` and `out` multiples of 16. Of images the result is channels-last, which x should
/// be, too (it is copied otherwise). All of x, weight and bias carry gradient; one that is to be
/// differentiated itself comes from ATen.
///
/// Sums are float32 with fma, in the order of the channels; those over rows, in the gradients of weight and
/// bias, in parts of 128 rows. The bits of a row's result and gradient depend neither on its batch nor on
/// threads, those of the weights' gradient not on threads; they are the same with AVX2 and AVX-512, and
/// others on a machine without. Throws c10::Error on shapes, dtypes or devices that do not fit.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// Whether `linear` can take the place of at::linear or at::conv2d, and is faster. It looks at dtype, device
/// and sizes but the batch's, which decides over no row's bits.
bool prefers_linear(const at::Tensor& x, const at::Tensor& weight);

}  // namespace onestep::kernels
