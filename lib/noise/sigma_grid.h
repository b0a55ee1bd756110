// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

namespace onestep {

/// The noise levels of a sampler, highest first, with the final 0 appended: `steps` + 1 values.
/// sigma_i = (σ_max^{1/ρ} + i/(steps−1) (σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ (Karras et al. 2022, eq. 5), float64.
/// steps = 1 gives {σ_max, 0}. Throws c10::Error when steps < 1, not 0 < σ_min ≤ σ_max, or ρ ≤ 0.
std::vector<double> karras_grid(int64_t steps, double sigma_min, double sigma_max, double rho);

}  // namespace onestep
