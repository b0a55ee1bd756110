// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include <ATen/core/Tensor.h>

#include "samplers/denoise.h"
#include "samplers/solver.h"

namespace onestep {

/// What is wrong with a list of noise levels, or "": at least two, finite, strictly decreasing, none
/// negative.
std::string grid_problem(const std::vector<double>& sigmas);

/// Solves dx/dσ = (x − D(x; σ))/σ from sigmas.front() to sigmas.back(), one solver step for each interval.
/// The step to σ = 0 is Euler's with momentum bypassed, that is x = D(x; σ), for every solver: a grid {σ, 0}
/// is finite and one call. x [N, …] float64 with noise level sigmas.front(), and so is the result. `history`
/// continues an earlier run (default: cold start). Nothing is kept between calls. No gradients. Throws
/// NumericalError naming step and σ when D is not finite, c10::Error when grid_problem says so.
at::Tensor integrate(const Solver& solver, const Denoise& denoise, at::Tensor x,
                     const std::vector<double>& sigmas, History history = {});

}  // namespace onestep
