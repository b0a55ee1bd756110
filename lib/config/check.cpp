// SPDX-License-Identifier: Apache-2.0
#include "config/check.h"

#include <algorithm>
#include <utility>

#include "config/scalar.h"
#include "config/suggest.h"

namespace onestep::config {

const Check any{};
const Check positive{"> 0", [](double x) { return x > 0; }, {}, {}};
const Check non_negative{">= 0", [](double x) { return x >= 0; }, {}, {}};
const Check probability{"in [0, 1]", [](double x) { return x >= 0 && x <= 1; }, {}, {}};
const Check non_empty{"non-empty text", {}, [](const std::string& text) { return !text.empty(); }, {}};

const Check scale = between(1e-9, 1e9);
const Check magnitude = between(0, 1e9);
const Check path{"a path (~ is not expanded here)",
                 {},
                 [](const std::string& text) { return !text.empty() && !text.starts_with('~'); },
                 {}};
const Check path_or_none{"a path (~ is not expanded here) or nothing",
                         {},
                         [](const std::string& text) { return !text.starts_with('~'); },
                         {}};

Check at_least(double lowest) {
  return {">= " + shortest(lowest), [=](double x) { return x >= lowest; }, {}, {}};
}

Check between(double lowest, double highest) {
  return {"in [" + shortest(lowest) + ", " + shortest(highest) + "]",
          [=](double x) { return x >= lowest && x <= highest; },
          {},
          {}};
}

Check one_of(std::vector<std::string> choices) {
  return {"one of " + join(choices, ", "),
          {},
          [choices](const std::string& text) { return std::ranges::find(choices, text) != choices.end(); },
          choices};
}

}  // namespace onestep::config
