// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/shard.h"
#include "networks/denoiser.h"

namespace onestep {

/// G(z) = D_θ(σ_1 z; σ_1), and for more than one step x_{k+1} = D_θ(x_k; σ_k) + σ_{k+1} ε_k (the re-noising
/// of consistency models, Song et al. 2023, algorithm 1, and of DMD2's few-step students). It is sampled by
/// the solver `renoise`, or `one_step`.
struct SteppedStudent {
  std::vector<double> sigmas;  ///< highest first
  Denoiser network;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("network", m.network);
  }
};

/// Images [n, C, H, W] for a shard's indices and condition. With several steps each image stops at a step of
/// its own, drawn evenly; the steps before it run without gradient (DMD2's backward simulation, Yin et al.
/// 2024, §4.5).
at::Tensor student_images(const SteppedStudent& m, const Shard& shard);

/// The first step from given unit latents z.
at::Tensor first_step(const SteppedStudent& m, const at::Tensor& z, const Condition& condition);

}  // namespace onestep
