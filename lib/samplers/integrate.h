// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "samplers/denoise.h"
#include "samplers/solver.h"

namespace onestep {

/// What is wrong with a list of noise levels, or "": at least two, finite, strictly decreasing, none
/// negative.
std::string grid_problem(const std::vector<double>& sigmas);

/// Is told of the first network call of each step: the step's number, from 1, its noise level and D there.
using StepWatch = std::function<void(int64_t step, double sigma, const at::Tensor& denoised)>;

/// Solves dx/dσ = (x − D(x; σ))/σ, or the stochastic equation of the same marginals, from sigmas.front() to
/// sigmas.back(): one step for each interval, split for noise as solver.stochastic says. The step to σ = 0 is
/// x = D(x; σ) for every solver, that is Euler's, with momentum and extrapolation bypassed: a grid {σ, 0} is
/// finite and one call. x [N, …] float64 with noise level sigmas.front(), and so is the result. `history`
/// continues an earlier run, its steps counted (default: cold start). Nothing is kept between calls. No
/// gradients. Throws NumericalError naming step and σ when D is not finite, c10::Error when grid_problem or
/// solver_problem says so or noise is needed and history.noise empty.
at::Tensor integrate(const Solver& solver, const Denoise& denoise, at::Tensor x,
                     const std::vector<double>& sigmas, History history = {}, const StepWatch& watch = {});

}  // namespace onestep
