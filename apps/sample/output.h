// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>

#include "apps/sample/plan.h"

namespace onestep {

/// Writes all that the plan asks for, each file whole or not at all. PNG files carry the settings in a text
/// chunk "onestep", those of one sample its seed and class besides; the JSON sidecar holds the settings, the
/// seeds and classes of all (of a folder also those that were there), and `run`: on what and how fast.
/// Returns the paths that a user wants to hear of. Throws io::FileError.
std::vector<std::filesystem::path> write_output(const Plan& plan, const SampleResult& result,
                                                const nlohmann::ordered_json& settings,
                                                const nlohmann::ordered_json& run);

}  // namespace onestep
