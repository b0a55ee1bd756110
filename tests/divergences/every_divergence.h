// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "divergences/divergence.h"

namespace onestep {

/// Every row of the table, the alpha row once for each of several parameters: what a test of all divergences
/// goes through. A new row is tested by being there.
inline std::vector<DivergenceConfig> every_divergence() {
  std::vector<DivergenceConfig> all;
  for (const std::string& name : divergence_names()) {
    if (name != "alpha") all.push_back({.name = name});
  }
  for (const double a : {-1.0, 0.3, 0.5, 1.7, 2.0}) all.push_back({.name = "alpha", .alpha = a});
  return all;
}

inline std::string label(const DivergenceConfig& c) {
  return c.name == "alpha" ? c.name + " " + std::to_string(c.alpha) : c.name;
}

}  // namespace onestep
