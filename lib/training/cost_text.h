// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <string>

#include "training/task.h"

namespace onestep {

/// "0.41 TFLOP an image, 328.3 EFLOP the run", for a run over so many images: two operations a
/// multiply-accumulate. What the configurations of published experiments open with.
inline std::string cost_text(const TaskCost& cost, int64_t images) {
  char text[96];
  std::snprintf(text, sizeof text, "%.3g TFLOP an image, %.4g EFLOP the run", 2e-12 * cost.macs_per_image,
                2e-18 * cost.macs_per_image * static_cast<double>(images));
  return text;
}

}  // namespace onestep
