// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/denoiser.h"

namespace onestep {

/// How much, and of which channels: the first so many, 0 for all. DiT's and SiT's published sampling guides
/// the first three of four latent channels.
struct Guidance {
  double scale = 1;
  int64_t channels = 0;
  Guidance(double s, int64_t c = 0) : scale(s), channels(c) {}  // a number is guidance of all channels
};

/// Classifier-free guidance (Ho & Salimans 2022): D^w = D(x; σ, ∅) + w (D(x; σ, c) − D(x; σ, ∅)), ∅ being the
/// network's null_condition, which label dropout trains, both in one pass of twice the batch; w = 1 is D
/// itself, and costs one. Channels that are not guided are D's. Features of `taps` are those of the samples
/// with their condition. Gradient flows through x and weights. No condition: there is nothing to guide, and w
/// must be 1 (c10::Error otherwise). Both passes have the same augmentation labels and dropout masks.
DenoiserOutput forward_guided(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                              const DenoiserInputs& inputs, const Guidance& guidance,
                              const std::vector<std::string>& taps = {});

}  // namespace onestep
