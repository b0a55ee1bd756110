// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace onestep {

/// Told how many of all images of a stage are done; may throw to stop.
using StageWatch = std::function<void(const std::string& stage, int64_t done, int64_t total)>;

/// The same inside of one long computation, in steps of its own. May be empty; the last call has done =
/// total.
using Watch = std::function<void(int64_t done, int64_t total)>;

/// The watch of a computation that is the steps first … first + steps of one with `total` steps.
inline Watch part_of(const Watch& whole, int64_t first, int64_t steps, int64_t total) {
  if (!whole) return {};
  return
      [whole, first, steps, total](int64_t done, int64_t all) { whole(first + steps * done / all, total); };
}

}  // namespace onestep
