// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace onestep {

/// In which steps of a run the student learns, and how many of its images they hold: what its learning rate,
/// its warm-up and its EMA count. Steps begin at multiples of `batch`; the student's are every `every`-th
/// from image `start` on.
struct StudentSteps {
  int64_t batch, every;
  double start;

  bool at(int64_t nimg) const { return nimg / batch % every == 0 && static_cast<double>(nimg) >= start; }

  /// Images in its steps among the run's first nimg.
  int64_t images(int64_t nimg) const {
    const int64_t first = ceil_to_every(static_cast<int64_t>(std::ceil(start / static_cast<double>(batch))));
    const int64_t whole = nimg / batch, rest = nimg % batch;  // only a run's last step is shorter
    const int64_t done = whole > first ? (whole - 1 - first) / every + 1 : 0;
    return done * batch + (at(whole * batch) ? rest : 0);
  }

 private:
  int64_t ceil_to_every(int64_t step) const { return (step + every - 1) / every * every; }
};

}  // namespace onestep
