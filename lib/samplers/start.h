// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace onestep {

// Where a run starts, and in what units it ends. A solver's state is x = y + σn; a teacher's process may be
// another multiple of it, x_t = x/s(σ), which pure noise z stands for at the first level:
//   scaled  x = σ z: noise of the level itself (EDM, k-diffusion, diffusers' Euler)
//   vp      x_t = z, s = √(1+σ²): variance preserving (diffusers' DDIM, PNDM, DPM-Solver++, LCM; DMD2)
//   flow    x_t = z, s = 1+σ (flow matching; at σ = 1e6 all the same)
// Only a run that ends above σ = 0 feels the units of its end: of `scaled` x itself, of the others x_t.

std::vector<std::string> start_names();

/// By what unit noise is multiplied for a start at σ. Throws c10::Error where there is no such rule.
double start_scale(const std::string& start, double sigma);

/// By what the state is divided at the end, at σ ≥ 0. The same.
double end_scale(const std::string& start, double sigma);

}  // namespace onestep
