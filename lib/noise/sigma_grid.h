// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "noise/sigma_range.h"

namespace onestep {

/// What a user says about noise levels; what is left out takes the rule's own default.
struct SigmaGrid {
  std::string rule = "karras";
  std::optional<double> sigma_min, sigma_max, rho;
  std::vector<double> parameters;  ///< of the rule, in its order; missing ones take their defaults
};

/// What is wrong, or "": no such rule (with the nearest and the list), steps not 1 … 1000000, not
/// 0 < sigma_min < sigma_max, a rho where the rule has none or not > 0, a parameter too many or out of its
/// range, more steps than the rule has levels, levels so close that float64 cannot tell them apart.
std::string grid_problem(const SigmaGrid& grid, int64_t steps);

/// The noise levels of a sampler, highest first, strictly decreasing, the final 0 appended: `steps` + 1
/// values, float64. A rule is a curve σ(u), u = i/(steps−1) (formulas: sigma_curve.h), whose ends are
/// sigma_max and sigma_min themselves, bit for bit, save for `iddpm`, which takes the nearest levels that it
/// has inside. steps = 1 gives {sigma_max, 0}. Throws c10::Error when grid_problem says so.
std::vector<double> sigma_grid(const SigmaGrid& grid, int64_t steps);

/// Its ends: the grid's own, or its rule's defaults. Throws c10::Error where there is no such rule.
SigmaRange ends_of(const SigmaGrid& grid);

/// One line of `--list`: {"vp", "epsilon 0.001", "0.0105 to 152", "…"}; "-" where there are no parameters.
struct SigmaGridInfo {
  std::string name, parameters, range, meaning;
};
std::vector<SigmaGridInfo> list_sigma_grids();

/// The names of all rules, in order.
std::vector<std::string> sigma_grid_names();

}  // namespace onestep
