// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "tasks/distil.h"

namespace onestep {

/// What a distillation needs of a machine, about.
TaskCost distil_cost(const DistilConfig& config, const RunConfig& run, const Denoiser& teacher,
                     const Student& student, const Fake& fake, const std::optional<Critic>& critic);

}  // namespace onestep
