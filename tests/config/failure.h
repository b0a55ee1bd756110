// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "config/config.h"

/// The message of the ConfigError that `action` throws; "" when it throws none.
inline std::string failure(const auto& action) {
  try {
    action();
    return "";
  } catch (const onestep::config::ConfigError& error) {
    return error.what();
  }
}
