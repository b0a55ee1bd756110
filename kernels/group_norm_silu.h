// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep::kernels {

/// What a group norm (Wu & He 2018) does beside normalising; all of [N, C] or [C], of x's dtype, or float32
/// for an x in bfloat16.
struct GroupNormTerms {
  at::Tensor gain, offset;  ///< A, B
  at::Tensor added;         ///< p, [N, C]; absent: 0
};

/// Group norm, scale-shift and SiLU in one pass over memory, forward and backward:
///
///   y = f(A x̂ + B),   x̂ = (x + p − mean) / √(variance + eps),   f(z) = z/(1 + e^(−z)) or z,
///
/// mean and (biased) variance over the pixels and C/groups channels of each group. A plain norm has A =
/// weight and B = bias; an adaptive one A = weight (1 + scale), B = bias (1 + scale) + shift per image; p is
/// what an embedding adds to each channel before the norm.
///
/// x [N, C, H, W] in float32, float64 or bfloat16; the result has its dtype and is channels-last, which x
/// should be, too (it is copied otherwise). Sums and statistics are float32 (float64 for float64) in a fixed
/// order: neither batch nor threads change an image's bits. All of x, A, B and p carry gradient, once. Throws
/// c10::Error on shapes, dtypes or devices that do not agree.
at::Tensor group_norm_silu(const at::Tensor& x, int64_t groups, const GroupNormTerms& terms, double eps,
                           bool silu = true);

}  // namespace onestep::kernels
