// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <limits>
#include <variant>

namespace onestep {

// Noise goes into a run by splitting its steps, whatever the solver: up before the step (churn), or down
// below the next level and up again after it (ancestral, sde, renoise).

/// No noise: the probability-flow equation.
struct Deterministic {};

/// σ is raised to σ̂ = (1 + γ) σ by noise before a step, γ = min(churn/N, √2 − 1) where low ≤ σ ≤ high, else 0
/// (Karras et al. 2022, algorithm 2).
struct Churn {
  double churn = 0;
  double low = 0, high = std::numeric_limits<double>::infinity();
  double noise_scale = 1;
};

/// The step goes to σ_down, then noise of σ_up brings it to σ' = √(σ_down² + σ_up²):
/// σ_up = min(σ', η √(σ'² (σ² − σ'²)/σ²)). η = 1 is DDPM's ancestral sampling, 0 is deterministic (Song et
/// al. 2021; k-diffusion).
struct Ancestral {
  double eta = 1;
  double noise_scale = 1;
};

/// The same with σ_down = σ' (σ'/σ)^η: the exact split of the stochastic equation of strength η in ln σ
/// (SDE-DPM-Solver++, Lu et al. 2022b). It equals Ancestral at η = 1 and at η = 0.
struct Sde {
  double eta = 1;
  double noise_scale = 1;
};

/// σ_down = 0: x' = D + σ' ε, every step starts anew (multistep consistency sampling, Song et al. 2023,
/// algorithm 1; DMD2's few-step students).
struct Renoise {};

using Stochastic = std::variant<Deterministic, Churn, Ancestral, Sde, Renoise>;

/// σ̂ ≥ σ, to which noise raises the state before one of a run's N steps.
double raised_level(const Stochastic& rule, double sigma, int64_t steps);

/// A step from σ to σ' in two parts: the solver's, to `down`, and noise of standard deviation `up`.
struct Split {
  double down, up;
};
Split split_step(const Stochastic& rule, double sigma, double next);

/// By what unit noise is multiplied beyond the level it should have.
double noise_scale(const Stochastic& rule);

}  // namespace onestep
