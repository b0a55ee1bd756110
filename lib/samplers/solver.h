// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <variant>

#include "samplers/multistep.h"
#include "samplers/single_step.h"
#include "samplers/stochastic.h"
#include "samplers/unipc.h"

namespace onestep {

/// Every way to make a step. Adding one: its struct and `step` function, a place here, a row of the table in
/// solver_table.cpp.
using Method = std::variant<OneStep, Euler, Heun, Dpm2, Dpmpp2S, DpmppSde, Multistep, UniPC>;

/// How a run is made: a method for the steps, and what noise goes in between. The grid of noise levels is a
/// thing of its own (noise/sigma_grid.h).
struct Solver {
  Method method = Heun{};
  Stochastic stochastic = Deterministic{};
};

/// What is wrong with a solver, or "": an order or β out of range, method and noise that do not go together.
/// Old slopes carry stale noise, so that methods which extrapolate slopes take none, and images take that of
/// sde alone; a velocity needs steps to act on.
std::string solver_problem(const Solver& solver);

/// Whether it needs History::noise.
bool is_stochastic(const Solver& solver);

/// Whether a step uses what earlier steps left: slopes, images or a velocity.
bool has_history(const Solver& solver);

/// The weight β of the new slope or image; null where the solver has no momentum.
double* momentum_beta(Solver& solver);

}  // namespace onestep
