// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_range.h"

#include <cstdio>

#include "config/node.h"

namespace onestep {
namespace {

std::string short_text(double sigma) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", sigma);
  return text;
}

/// "0.0292 to 14.6".
std::string text_of(const SigmaRange& range) {
  return short_text(range.lowest) + " to " + short_text(range.highest);
}

}  // namespace

std::string range_problem(const std::string& key, const SigmaRange& wanted, const SigmaRange& known,
                          const std::string& whose) {
  constexpr double kRounding = 1e-6;
  if (known.lowest * (1 - kRounding) <= wanted.lowest && wanted.highest <= known.highest * (1 + kRounding))
    return "";
  return key + ": noise levels " + text_of(wanted) + " are outside " + text_of(known) + ", which " + whose +
         " knows";
}

void require_known(const std::string& key, const SigmaRange& wanted, const SigmaRange& known,
                   const std::string& whose) {
  const std::string problem = range_problem(key, wanted, known, whose);
  if (!problem.empty()) throw config::ConfigError(problem);
}

}  // namespace onestep
