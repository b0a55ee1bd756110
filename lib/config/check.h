// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/role.h"

namespace onestep::config {

/// A range or choice that a field must obey. `expected` completes "integer …" or "number …" in errors and
/// help ("> 0"), or replaces "text" ("one of edm, ve"). An empty function allows everything. In a list or an
/// optional the check is for each value.
///
/// The check is for defaults too: a field whose default breaks its own check has to be given. That is how a
/// key is made required: `std::string teacher;` with `non_empty`, or `int64_t images = 0;` with `positive`.
struct Check {
  std::string expected;
  std::function<bool(double)> number;
  std::function<bool(const std::string&)> text;
  std::vector<std::string> choices;  ///< what a wrong text is compared with for "did you mean"
};

extern const Check any;           ///< no rule
extern const Check positive;      ///< > 0
extern const Check non_negative;  ///< >= 0
extern const Check probability;   ///< in [0, 1]
extern const Check non_empty;     ///< text that is not ""
extern const Check scale;  ///< in [1e-9, 1e9]: its fourth power and that of its inverse are float32 numbers
extern const Check magnitude;  ///< in [0, 1e9]
/// Where a file or folder is: not "", and not "~" or "~/x", which a shell would expand and nothing here does.
extern const Check path;
extern const Check path_or_none;  ///< the same, or ""

Check at_least(double lowest);
Check between(double lowest, double highest);  ///< both ends included
Check one_of(std::vector<std::string> choices);

}  // namespace onestep::config
