// SPDX-License-Identifier: Apache-2.0
#include "evaluation/number_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace onestep {
namespace {

/// Decimals that show `digits` significant digits of `value`.
int decimals_of(double value, int digits) {
  if (value == 0.0 || !std::isfinite(value)) return 0;
  return std::clamp(digits - 1 - static_cast<int>(std::floor(std::log10(std::abs(value)))), 0, 12);
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  const std::string plain = text;
  // A rounded zero has no sign; a minus is typeset as one.
  if (plain.find_first_of("123456789") == std::string::npos) return plain[0] == '-' ? plain.substr(1) : plain;
  return plain[0] == '-' ? "−" + plain.substr(1) : plain;
}

}  // namespace

std::string number_text(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  if (size != 0.0 && (size < 1e-6 || size >= 1e9)) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*e", digits - 1, value);
    return text;
  }
  return fixed(value, decimals_of(value, digits));
}

std::string value_text(double value, std::optional<double> se) {
  if (!se || !(*se > 1e-12) || !std::isfinite(value)) return number_text(value, 4);
  return fixed(value, decimals_of(*se, 2));
}

std::string error_text(std::optional<double> se) {
  return se ? "± " + number_text(*se, 2) : "";
}

std::string value_and_error(double value, std::optional<double> se) {
  return value_text(value, se) + (se ? " " + error_text(se) : "");
}

std::string percent_text(double share) {
  return fixed(100.0 * share, 1) + " %";
}

}  // namespace onestep
