// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <string>
#include <vector>

/// What all charts are made of. Lengths are pixels of a picture kWidth wide; texts are escaped here.
namespace onestep::pages::svg {

inline constexpr double kWidth = 720, kLeft = 64, kRight = 16, kTop = 12, kBottom = 44, kLegendRow = 20;

/// From values to pixels along one axis, with the ticks that span it.
struct Scale {
  std::vector<double> ticks;
  double from = 0.0, to = 1.0;  // pixels of the first and last tick
  bool log = false;

  // The bound keeps differences finite; NaN fails it too.
  bool shows(double value) const { return std::abs(value) <= 1e300 && (!log || value > 0.0); }
  double operator()(double value) const;
};

/// A scale whose ticks cover the values that it can show.
Scale make_scale(const std::vector<double>& values, bool log, double from, double to);

/// A coordinate as text.
std::string number(double value);
/// The class that gives series `i` its colour.
std::string colour(size_t i);

std::string line(double x1, double y1, double x2, double y2, const std::string& style);
std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra = "");

/// Grid lines, tick labels and the name of an axis of a plot between `top` and `bottom`, or `left` and
/// `right`.
std::string x_axis(const Scale& x, double top, double bottom, const std::string& text);
std::string y_axis(const Scale& y, double left, double right, const std::string& text);

/// The <svg> element; `name` is what a screen reader says.
std::string chart(double height, const std::string& name, const std::string& body);

}  // namespace onestep::pages::svg
