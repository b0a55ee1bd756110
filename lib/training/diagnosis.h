// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace onestep {

/// What a task has to say of the time since the last tick, beside the means of its steps' reports.
struct Diagnosis {
  nlohmann::ordered_json values =
      nlohmann::ordered_json::object();  ///< go into the log's line: numbers and lists; NaN becomes null
  std::string status;                    ///< goes to the terminal
  std::vector<std::string>
      warnings;  ///< in words; each kind is repeated only after it had been well in between
};

}  // namespace onestep
