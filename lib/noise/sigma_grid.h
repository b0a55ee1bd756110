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
  // Of rules that are timesteps of a discrete schedule:
  std::optional<std::string> schedule = {};  ///< timesteps.h; none: sd
  bool to_first_timestep = false;            ///< it ends in the level of timestep 0, as SD's DDIM, not in 0
};

/// What is wrong, or "": no such rule (with the nearest and the list), steps not 1 … 1000000, a key that the
/// rule has no use for, not 0 < sigma_min < sigma_max, a rho not > 0, a parameter too many or out of its
/// range, more steps than the rule has levels, timesteps that the schedule lacks, levels so close that
/// float64 cannot tell them apart. Throws c10::Error where there is no such schedule.
std::string grid_problem(const SigmaGrid& grid, int64_t steps);

/// The noise levels of a sampler, highest first, strictly decreasing, the final 0 appended: `steps` + 1
/// values, float64. A rule is one of three:
///   a curve σ(u), u = i/(steps−1) (formulas: sigma_curve.h), whose ends are sigma_max and sigma_min
///   themselves, bit for bit, save for `iddpm`, which takes the nearest levels that it has inside. steps = 1
///   gives {sigma_max, 0}.
///   the levels of some of a schedule's timesteps, or of a flow's times (formulas: time_grid.h).
/// Throws c10::Error when grid_problem says so.
std::vector<double> sigma_grid(const SigmaGrid& grid, int64_t steps);

/// The ends of a curve: the grid's own, or its rule's defaults; none of another rule. Throws c10::Error where
/// there is no such rule.
std::optional<SigmaRange> ends_of(const SigmaGrid& grid);

/// Whether the levels are those of a schedule's timesteps. Throws c10::Error where there is no such rule.
bool has_timesteps(const SigmaGrid& grid);

/// One line of `--list`: {"vp", "epsilon 0.001", "0.0105 to 152", "…"}; "-" where there are no parameters.
struct SigmaGridInfo {
  std::string name, parameters, range, meaning;
};
std::vector<SigmaGridInfo> list_sigma_grids();

/// The names of all rules, in order.
std::vector<std::string> sigma_grid_names();

}  // namespace onestep
