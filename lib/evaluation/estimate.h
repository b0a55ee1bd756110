// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

namespace onestep {

/// A number and its standard error, where there is one; what the error covers is said where it is computed.
struct Estimate {
  double value = 0;
  std::optional<double> se;
};

}  // namespace onestep
