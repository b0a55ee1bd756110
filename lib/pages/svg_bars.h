// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "pages/svg_chart.h"

namespace onestep::pages {

/// A sum and its parts, which are ≥ 0 and finite.
struct Bar {
  std::string name;
  std::vector<double> parts;
  std::string text = {};  ///< behind the bar: the sum for people
};

/// Bars from 0 to the right, one a row, their parts one after the other in colours that a legend names. Only
/// x_label of `axes` is used. Throws std::invalid_argument when a bar has not one part for each name, or one
/// that is negative or not finite.
std::string bar_chart(const std::vector<Bar>& bars, const std::vector<std::string>& parts, const Axes& axes);

}  // namespace onestep::pages
