// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

namespace onestep {

/// A number for people: `digits` significant ones, never an exponent between 1e-6 and 1e9.
std::string number_text(double value, int digits = 3);

/// A value as precise as its standard error allows: two digits of the error, "7.40" for 7.4035 ± 0.21. Four
/// significant digits without an error, or where it is no more than rounding.
std::string value_text(double value, std::optional<double> se);

/// "± 0.21"; "" without an error.
std::string error_text(std::optional<double> se);

/// "7.40 ± 0.21"
std::string value_and_error(double value, std::optional<double> se);

/// "73.5 %"
std::string percent_text(double share);

}  // namespace onestep
