// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/denoiser.h"

namespace onestep {

/// forward (denoiser.h) as in training: with dropout masks, where the inputs have some.
DenoiserOutput forward(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                       const DenoiserInputs& inputs, const std::vector<int64_t>& resolutions, bool decoded);

/// Classifier-free guidance (Ho & Salimans 2022): D^w = D(x; σ, ∅) + w (D(x; σ, c) − D(x; σ, ∅)), ∅ being the
/// row of zeros that label dropout trains, both in one pass of twice the batch; w = 1 is D itself, and costs
/// one. `resolutions` asks for the encoder's features of the samples with classes; none asks for the denoised
/// image alone, of any network. Gradient flows through x and weights. No labels: there is nothing to guide,
/// and w must be 1 (c10::Error otherwise). Both passes have the same augmentation labels and dropout masks.
DenoiserOutput forward_guided(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                              const DenoiserInputs& inputs, double guidance,
                              const std::vector<int64_t>& resolutions = {});

}  // namespace onestep
