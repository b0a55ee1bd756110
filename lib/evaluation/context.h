// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "evaluation/stage_watch.h"
#include "io/cache.h"
#include "parallel/communicator.h"
#include "parallel/workers.h"

namespace onestep {

/// Where an evaluation runs, what it may reuse and whom it tells: nothing that its numbers depend on.
struct EvaluationContext {
  at::Device device = at::kCPU;
  io::Cache cache;       ///< of drawn images and of features; none unless it names a folder
  io::Cache data_cache;  ///< of decoded images (data/packed_images.h)
  Workers workers = {};  ///< that share the batches
  Communicator ranks;    ///< that share them, too; the first has the results, and the cache
  StageWatch watch;      ///< hears of every batch, of one at a time, and may throw to stop
};

}  // namespace onestep
