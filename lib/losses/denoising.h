// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// λ(σ) ‖D(y + σε; σ) − y‖² per sample, [N]: a sum over pixels (Karras et al. 2022, eq. 2 and §5). What
/// trains a teacher, and the network that tracks the student's score.
///
/// `denoised` and `y` [N, …]; `weight` [N] is λ(σ) (noise/weighting.h), undefined for 1. Computed in float32,
/// or float64 where `denoised` is. Gradient flows through `denoised` alone. Throws c10::Error on shapes that
/// differ.
at::Tensor denoising_loss(const at::Tensor& denoised, const at::Tensor& y, const at::Tensor& weight = {});

}  // namespace onestep
