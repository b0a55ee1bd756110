// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

/// Grids that are lists of times, of a discrete schedule or of a flow: one function for each such rule of
/// sigma_grid.cpp, which checks what it hands over. A list falls and has `steps` values; `p` are the rule's
/// parameters in its order. Places and roundings are those of numpy's arange and linspace, halves to the even
/// number, in float64: so the timesteps are diffusers' to the last one.
namespace onestep {

/// The level that stands for σ = ∞, a flow's t = 1: an error of 2e-6 in x.
inline constexpr double kPureNoise = 1e6;

using Times = std::vector<double>(int64_t steps, const std::vector<double>& p);

/// i ⌊1000/M⌋ + offset, M = N + left_out, i = M − 1 … left_out. Parameters offset, left_out: 0, 0 and 1, 0
/// are DDIM's, PNDM's and Euler's, left_out 1 DPM-Solver++'s and UniPC's. Without a check: i = 0 … may all be
/// one.
Times leading_timesteps;

/// round(1000 (N−i)/N) − 1, i = 0 … N − 1.
Times trailing_timesteps;

/// 999 (1 − i/(M−1)), M = N + left_out, i = 0 … N − 1, rounded where `whole` is 1. Parameters left_out,
/// whole: 0, 0 are Euler's, 0, 1 DDPM's, 1, 1 DPM-Solver++'s and UniPC's.
Times linspace_timesteps;

/// ⌊1000/O⌋ (O − ⌊i O/N⌋) − 1, i = 0 … N − 1. Parameter O: the steps that a latent consistency model was
/// trained on (Luo et al. 2023).
Times lcm_timesteps;

/// σ_i = shift · t_i/(1−t_i), t even from `highest` to `lowest`; t = 1 is σ = 1e6. Parameters shift, lowest
/// (0: highest/N), highest, double_shift (1: to shift·l/(1+(shift−1)l) of the lowest l, which the shift takes
/// once more: diffusers' SD3).
Times flow_levels;

/// σ at a timestep, between whole ones linear in σ. `levels` as schedule_levels has them, 0 ≤ timestep ≤ 999.
double level_at(const std::vector<double>& levels, double timestep);

}  // namespace onestep
