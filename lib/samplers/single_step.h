// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "samplers/denoise.h"
#include "samplers/history.h"

namespace onestep {

// Every `step` goes from noise level σ to σ' < σ, σ' > 0; x [N, …] float64 in and out; D may be of any
// floating dtype. (The step to σ' = 0 is the same for all solvers: see integrate.h.) d = (x − D(x; σ))/σ.

/// x₀ = D(x; σ): one network call from any σ to 0, what a distilled student is trained for. It has no step to
/// σ' > 0, and throws c10::Error when asked for one.
struct OneStep {};
at::Tensor step(const OneStep&, const Denoise&, const at::Tensor& x, double sigma, double next,
                History& history);

/// x' = x + (σ' − σ) d. First order, one network call. In this parameterisation DDIM (Song et al. 2021) and
/// DPM-Solver++(1S) are the same thing: x' = (σ'/σ) x + (1 − σ'/σ) D.
struct Euler {};
at::Tensor step(const Euler&, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History& history);

/// The second-order Runge–Kutta family, h = σ' − σ: d₂ = slope(x + αh d; σ + αh),
/// x' = x + h [(1 − 1/2α) d + 1/2α d₂]. α = 1 is Heun's method, EDM's (Karras et al. 2022, algorithm 1), ½
/// the midpoint rule, ⅔ Ralston's (eq. 28). Two network calls. From a flow's t = 1 (kPureNoise), over a step
/// so long that d₂ is a slope of another scale, the images are averaged instead: the same rule in 1/σ, x' =
/// (σ'/σ) x + (1 − σ'/σ) [(1 − 1/2α) D + 1/2α D₂].
struct Heun {
  double alpha = 1;
};
at::Tensor step(const Heun& solver, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History& history);

/// DPM-Solver-2 (Lu et al. 2022a, r = ½): the midpoint rule with the middle of the step in ln σ,
/// s = √(σσ'): x' = x + (σ' − σ) slope(x + (s − σ) d; s). Two network calls, order 2.
struct Dpm2 {};
at::Tensor step(const Dpm2&, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History& history);

/// DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1, r = ½), s = √(σσ'):
/// x' = (σ'/σ) x + (1 − σ'/σ) D(x + (s − σ) d; s). Two network calls, order 2.
struct Dpmpp2S {};
at::Tensor step(const Dpmpp2S&, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History& history);

/// DPM-Solver++(2S) for the stochastic equation, with the ancestral noise of stochastic.h put in at s =
/// √(σσ') and again at σ' (k-diffusion's dpmpp_sde). The two draws are increments of one Brownian path in σ.
struct DpmppSde {
  double eta = 1;
  double noise_scale = 1;
};
at::Tensor step(const DpmppSde& solver, const Denoise& denoise, const at::Tensor& x, double sigma,
                double next, History& history);

}  // namespace onestep
