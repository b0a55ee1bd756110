// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>

#include "apps/sample/plan.h"
#include "samplers/comparison.h"

namespace onestep {

/// Draws the plan's samples by every solver of --compare at every number of --steps-list, with a progress
/// bar. Throws config::ConfigError for a list that makes no sense, Interrupted, and as compare() does.
Comparison run_comparison(const Options& options, const Plan& plan);

/// compare.png (a labelled sheet with up to 16 samples a run), compare.csv and compare.json in the plan's
/// folder. Returns the paths.
std::vector<std::filesystem::path> write_comparison(const Plan& plan, const Comparison& comparison,
                                                    const nlohmann::ordered_json& settings);

}  // namespace onestep
