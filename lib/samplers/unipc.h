// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "samplers/denoise.h"
#include "samplers/extrapolation.h"
#include "samplers/history.h"

namespace onestep {

/// UniPC (Zhao et al. 2023) on the denoised image. A step predicts with the exponential extrapolation of the
/// newest k images, D̃_p, and x' = (σ'/σ) x + (1 − σ'/σ) D̃_p. The next step's network call, D(x'; σ'), first
/// corrects that: the same step again, with a polynomial through the new image too, D̃_c. So a correction
/// costs no call, and what follows starts from the corrected state. k = min(order, n, steps left), n counting
/// steps from 1; without the corrector it is UniP.
///
/// Momentum (β < 1): predictor and corrector keep heavy-ball velocities of their own on D̃_p and D̃_c. A
/// prediction of first order bypasses it; each velocity starts as the first that it averages.
struct UniPC {
  int64_t order = 2;
  bool corrector = true;
  TwoPoints two_points = TwoPoints::midpoint;  ///< B₂ of the paper; or b1
  double beta = 1;
};

/// One network call. What is returned is the predicted state; the correction is the next step's.
at::Tensor step(const UniPC& solver, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History& history);

}  // namespace onestep
