// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <limits>
#include <string>

namespace onestep {

/// Noise levels from `lowest` to `highest`, both included; 0 and infinity stand for no bound.
struct SigmaRange {
  double lowest = 0, highest = std::numeric_limits<double>::infinity();
};

/// "" where `wanted` lies inside `known`, up to rounding; else "task.sigma: noise levels 0.002 to 80 are
/// outside 0.0292 to 14.6, which the teacher knows".
std::string range_problem(const std::string& key, const SigmaRange& wanted, const SigmaRange& known,
                          const std::string& whose);

/// Throws config::ConfigError where range_problem says so.
void require_known(const std::string& key, const SigmaRange& wanted, const SigmaRange& known,
                   const std::string& whose);

}  // namespace onestep
