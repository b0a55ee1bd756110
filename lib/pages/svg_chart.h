// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

/// Charts as inline SVG, coloured by the stylesheet of html.h's page(), so that they suit light and dark
/// alike; chart_style.h makes files of them that stand alone.
namespace onestep::pages {

/// Texts are escaped. On a logarithmic axis values ≤ 0 are left out.
struct Axes {
  std::string x_label, y_label;
  bool log_x = false, log_y = false;
};

/// Points in order of x; a value that is not finite interrupts the line. x and y have the same length.
struct Series {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> error = {};          ///< as long as y, or empty: a bar of ± error at each point
  bool has_line = true, has_dots = false;  ///< what line_chart draws: a line through the points, the points
};

/// Up to six series with axes, ticks and a legend. Long series are drawn by the extremes in each pixel
/// column, so that no spike is lost. Throws std::invalid_argument when an x and y (or error) differ in
/// length.
std::string line_chart(const std::vector<Series>& series, const Axes& axes);

/// A value on a row of its own with error bars of ± error (0 or not finite: none).
struct Dot {
  std::string name;
  double value = 0.0, error = 0.0;
};
/// Only x_label and log_x of `axes` are used.
std::string dot_chart(const std::vector<Dot>& dots, const Axes& axes);

}  // namespace onestep::pages
