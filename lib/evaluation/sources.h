// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "evaluation/classifier_features.h"
#include "evaluation/evaluate_config.h"
#include "evaluation/feature_set.h"

namespace onestep {

/// Opens every model and feature file, and checks the samplers, so that a misspelt path ends an evaluation at
/// its start rather than after half an hour. Throws as `collect` does.
void check_inputs(const EvaluateConfig& config);

/// Features of what a subject names: images drawn from a model for the seeds 0 … images − 1, images chosen
/// from a dataset (all of it where it has fewer), or a feature file taken whole. `network` must be there
/// unless it is a file. Throws io::FileError, config::ConfigError and NumericalError as the readers and
/// samplers do, and what `watch` throws.
FeatureSet collect(const SubjectConfig& subject, const EvaluateConfig& config,
                   const std::optional<FeatureNetwork>& network, const StageWatch& watch);

/// The same for the reference, which is taken whole.
FeatureSet collect(const ReferenceConfig& reference, const EvaluateConfig& config,
                   const std::optional<FeatureNetwork>& network, const StageWatch& watch);

}  // namespace onestep
