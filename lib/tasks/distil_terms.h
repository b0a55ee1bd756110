// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/distil_config.h"
#include "tasks/context.h"

namespace onestep {

/// The terms of the student's loss, the score difference first. `network` is whose classes a reward may be
/// for, `student` whose particles a measurement belongs to. A regression gets its pairs from `pairs`, which
/// are made before the first step. Throws io::FileError and config::ConfigError as open_classifier does.
std::vector<Term> make_terms(const DistilConfig& config, const TaskContext& context, const Denoiser& network,
                             const Student& student, const std::shared_ptr<TeacherPairs>& pairs);

}  // namespace onestep
