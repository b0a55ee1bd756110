// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "evaluation/cache.h"
#include "evaluation/stage_watch.h"

namespace onestep {

/// Where an evaluation runs, what it may reuse and whom it tells: nothing that its numbers depend on.
struct EvaluationContext {
  at::Device device = at::kCPU;
  Cache cache;       ///< of drawn images and of features; none unless it names a folder
  StageWatch watch;  ///< hears of every batch and may throw to stop
};

}  // namespace onestep
