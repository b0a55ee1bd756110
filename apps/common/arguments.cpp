// SPDX-License-Identifier: Apache-2.0
#include "apps/common/arguments.h"

#include <charconv>
#include <cmath>

#include "config/node.h"

namespace onestep {

CLI::Validator is_path() {
  return CLI::Validator(
      [](const std::string& text) {
        if (text.empty()) return std::string("expected a path, got nothing");
        if (!text.starts_with('~') && text.find(":~") == std::string::npos) return std::string();
        return "'" + config::shown(text) + "': ~ is not expanded here; say $HOME instead";
      },
      "");
}

CLI::Validator is_given() {
  return CLI::Validator(
      [](const std::string& text) { return text.empty() ? std::string("got nothing") : std::string(); }, "");
}

CLI::Validator is_distance() {
  return CLI::Validator(
      [](const std::string& text) {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = error == std::errc() && end == text.data() + text.size();
        if (whole && std::isfinite(value) && value >= 0) return std::string();
        return "expected a number >= 0, got '" + config::shown(text) + "'";
      },
      "");
}

}  // namespace onestep
