// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/distil_config.h"
#include "tasks/context.h"

namespace onestep {

/// A task that learns from both halves of a step: the fake score (and the discriminator) from the student's
/// images, and in its turn the student from the difference of teacher and fake score.
Task make_distil_task(const DistilConfig& config, const TaskContext& context);

}  // namespace onestep
