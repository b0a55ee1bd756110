// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// Fresh unit noise, the state's shape and dtype: a function of the step's number, counted from 1, and of the
/// draw within the step.
using Noise = std::function<at::Tensor(int64_t step, int64_t draw)>;

inline constexpr int64_t kMaxOrder = 5;

/// What a solver knows beside the state, within one run. A run starts with an empty one. What the lists hold
/// is for the solver to say; the newest comes first, and at most kMaxOrder tensors are kept.
struct History {
  Noise noise;        ///< for stochastic solvers
  int64_t step = 0;   ///< the number of the step that is being made, from 1
  int64_t steps = 0;  ///< of the whole run, for one that is cut; 0: those made before and those of the grid
  /// Steps from here to σ = 0, this one and the last included; for solvers that end in lower orders. Without
  /// end where the grid stops above 0.
  int64_t left = std::numeric_limits<int64_t>::max();

  std::vector<at::Tensor> values;      ///< slopes d, or denoised images D
  std::vector<double> places;          ///< where they stand on the axis of extrapolation, all of the run's
  std::vector<at::Tensor> velocities;  ///< v of a momentum rule
  double clock = 0;                    ///< Σ ln(σ/σ') over the steps made: −ln σ up to a constant

  at::Tensor base;                ///< UniPC: the state from which the last step was made,
  int64_t base_order = 0;         ///< by a predictor of this order,
  at::Tensor corrector_velocity;  ///< and the corrector's momentum
};

}  // namespace onestep
