// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "networks/classifier.h"
#include "tasks/distil.h"

/// The networks that a distillation reads or copies. Each throws io::FileError naming a file, or
/// config::ConfigError naming a key, when one does not fit the data or is not there.
namespace onestep {

/// The teacher's model, or the exact denoiser of analytic data.
Denoiser open_teacher(const DistilConfig& config, const TaskContext& context);

/// What student, fake score and discriminator may copy: the teacher, or a new network; empty for neither.
std::optional<Denoiser> open_network(const DistilConfig& config, const Denoiser& teacher,
                                     const TaskContext& context);

/// What the student starts as: another student, or `network`.
std::optional<Denoiser> open_student(const DistilConfig& config, const std::optional<Denoiser>& network,
                                     const TaskContext& context);

/// The classifier of the reward. `labelled` is whose classes the student is asked for.
Classifier open_classifier(const RewardConfig& config, const GeneratorConfig& student,
                           const Denoiser& labelled, const TaskContext& context);

/// What is to be said of guidance before a run starts: nothing is wrong with it, but it is seldom meant.
std::vector<std::string> guidance_warnings(const DistilConfig& config);

}  // namespace onestep
