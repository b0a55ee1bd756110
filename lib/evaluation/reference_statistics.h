// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "evaluation/context.h"
#include "evaluation/evaluate_config.h"
#include "evaluation/statistics_file.h"

namespace onestep {

/// Mean and covariance of the features of a source in config.features: all of a dataset or feature file, or
/// images_to_draw(config) images of a model from config.first_seed on. With Inception features also those of
/// the spatial ones (sFID). Throws as `collect` does.
StatisticsFile reference_statistics(const SubjectConfig& source, const EvaluateConfig& config,
                                    const EvaluationContext& context);

}  // namespace onestep
