// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "samplers/denoise.h"
#include "samplers/extrapolation.h"
#include "samplers/history.h"

namespace onestep {

/// How a velocity v averages what a multistep solver extrapolates, E being the extrapolation to order k and f
/// the newest slope (or image). β ∈ (0, 1] weighs the new one; β = 1 is no momentum, bit for bit.
///   none
///   heavy_ball   v ← (1−β) v + β E[f],                u = v                   (Polyak; HB)
///   nesterov     w = E[f], v ← (1−β) v + β w,         u = (1−β) v + β w       (NT)
///   ghvb         v ← (1−β) v + β f,                   u = G_{k,β}[v, v₋₁, …]  (generalised heavy ball)
/// Wizadwongsa et al. 2023, §4; shared theory §6. v starts as the first of what it averages.
struct Momentum {
  enum class Kind { none, heavy_ball, nesterov, ghvb };
  Kind kind = Kind::none;
  double beta = 1;
};

/// Extrapolation × momentum: every multistep method of one network call a step.
///   adams_bashforth: ab4; with a momentum hb3.8, nt3.8, ghvb3.8 (order 4, β = 0.8)
///   lagrange, log_lagrange: lms4, deis3; with a momentum the variable-step forms of the above
///   exponential: dpmpp2m, dpmpp3m; with heavy_ball the velocity lives on the extrapolated image
///   adams_bashforth, trapezoid_start: plms, PNDM as Stable Diffusion runs it (Liu et al. 2022)
/// The order rises min(k, n) with the number n of steps made.
struct Multistep {
  Extrapolation rule = Extrapolation::adams_bashforth;
  int64_t order = 4;
  Momentum momentum = {};
  TwoPoints two_points = TwoPoints::midpoint;  ///< of the exponential rule
  /// In a run of fewer steps than this, the last step but one is of second order at most (DPM-Solver++(3M)).
  int64_t low_end_below = 0;
  /// The first step is made again with the mean of the slopes at its ends, that is Heun's: of slopes, without
  /// momentum. The history holds the first of the two.
  bool trapezoid_start = false;
};

/// The solver's u or D̃ for the step of length h = ln(σ/σ') that begins at history.places[0] and ends at
/// `end` on the axis of extrapolation, from history.values, newest first: momentum included. An exponential
/// rule's steps of first order bypass the momentum.
at::Tensor mix(const Multistep& solver, double h, double end, History& history);

/// x' = x + (σ' − σ) u or x' = (σ'/σ) x + (1 − σ'/σ) D̃. One network call; two for a trapezoid start.
at::Tensor step(const Multistep& solver, const Denoise& denoise, const at::Tensor& x, double sigma,
                double next, History& history);

/// Puts what is known at a step's start in front of the history.
void remember(History& history, const at::Tensor& value, double place);

/// v ← (1−β) v + β x; x where v is undefined. Returns v.
at::Tensor average(at::Tensor& velocity, const at::Tensor& x, double beta);

}  // namespace onestep
