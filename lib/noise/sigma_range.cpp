// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_range.h"

#include <cstdio>

namespace onestep {
namespace {

std::string short_text(double sigma) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", sigma);
  return text;
}

}  // namespace

std::string text_of(const SigmaRange& range) {
  return short_text(range.lowest) + " to " + short_text(range.highest);
}

std::string range_problem(const std::string& key, const SigmaRange& wanted, const SigmaRange& known,
                          const std::string& whose) {
  constexpr double kRounding = 1e-6;
  const SigmaRange wider{known.lowest * (1 - kRounding), known.highest * (1 + kRounding)};
  if (contains(wider, wanted)) return "";
  return key + ": noise levels " + text_of(wanted) + " are outside " + text_of(known) + ", which " + whose +
         " knows";
}

}  // namespace onestep
