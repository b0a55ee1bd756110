// SPDX-License-Identifier: Apache-2.0
#include "io/log.h"

#include <memory>
#include <string>
#include <unistd.h>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "config/printable.h"

namespace onestep::io {
namespace {

std::shared_ptr<spdlog::logger> make_logger() {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (terminal) sink->set_color(spdlog::level::info, "");
  auto logger = std::make_shared<spdlog::logger>("onestep", sink);
  // On a terminal the cursor may stand behind a progress bar: take its line; the bar is drawn again below.
  logger->set_pattern(std::string(terminal ? "\r\033[K" : "") + "%H:%M:%S %^%v%$");
  logger->flush_on(spdlog::level::info);
  return logger;
}

spdlog::logger& logger() {
  static const auto made = make_logger();
  return *made;
}

void log(spdlog::level::level_enum level, std::string_view prefix, std::string_view message) {
  const std::string line = std::string(prefix).append(config::printable(message));
  logger().log(level, spdlog::string_view_t(line));
}

}  // namespace

void log_info(std::string_view message) {
  log(spdlog::level::info, "", message);
}
void log_warning(std::string_view message) {
  log(spdlog::level::warn, "warning: ", message);
}
void log_error(std::string_view message) {
  log(spdlog::level::err, "error: ", message);
}

void log_errors_only() {
  logger().set_level(spdlog::level::err);
}
bool logs_errors_only() {
  return !logger().should_log(spdlog::level::warn);
}

}  // namespace onestep::io
