// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>

namespace onestep::io {

/// One line on standard error with the time of day, coloured on a terminal, where a progress bar gives way
/// to it. Safe from several threads. (Free of LibTorch, whose headers do not get on with spdlog's.)
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);

/// From now on only errors are told, and no progress is shown: of ranks that compute the same, one speaks.
void log_errors_only();
bool logs_errors_only();

}  // namespace onestep::io
