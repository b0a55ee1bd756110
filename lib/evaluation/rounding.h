// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

namespace onestep {

inline constexpr double kEpsilon = std::numeric_limits<double>::epsilon();  // 2⁻⁵²

/// What rounding alone may make of a difference whose terms have this size in all, each of them a sum of
/// `count` products: (count + 16) ε size. The 16 stands for the few operations around the sums.
inline double rounding_of(double size, int64_t count) {
  return (static_cast<double>(count) + 16.0) * kEpsilon * size;
}

/// `value`, or 0 where it is no larger than `rounding`.
inline double beyond_rounding(double value, double rounding) {
  return std::abs(value) <= rounding ? 0.0 : value;
}

}  // namespace onestep
