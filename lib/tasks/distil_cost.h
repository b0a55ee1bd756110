// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/distil_config.h"
#include "distillation/networks.h"
#include "training/run_config.h"
#include "training/task.h"

namespace onestep {

/// What a distillation needs: passes an image, averaged over the steps in which the student learns and the
/// others, and bytes on so many workers.
TaskCost distil_cost(const DistilConfig& config, const RunConfig& run, const Networks& networks,
                     int64_t workers);

}  // namespace onestep
