// SPDX-License-Identifier: Apache-2.0
#include "pages/svg_plane.h"

#include <algorithm>
#include <cmath>

#include "pages/ticks.h"

namespace onestep::pages::svg {

bool Plane::shows(double px, double py) const {
  return x.shows(px) && y.shows(py) && px >= x.ticks.front() && px <= x.ticks.back() &&
         py >= y.ticks.front() && py <= y.ticks.back();
}

Plane make_plane(Window w, double top) {
  constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = 480;
  const auto widen = [](double& low, double& high, double least) {
    if (const double lack = least - (high - low); lack > 0) low -= lack / 2, high += lack / 2;
  };
  const double size =
      std::max({std::abs(w.x_low), std::abs(w.x_high), std::abs(w.y_low), std::abs(w.y_high)});
  // A line gets a quarter of its length across, a single point some ground around it.
  double longest = std::max(w.x_high - w.x_low, w.y_high - w.y_low);
  if (!(longest > 1e-6 * size)) {
    longest = size > 0 ? size / 5 : 2;
    widen(w.x_low, w.x_high, longest);
  }
  widen(w.x_low, w.x_high, longest / 4);
  widen(w.y_low, w.y_high, longest / 4);
  Plane plane;
  plane.x.ticks = linear_ticks(w.x_low, w.x_high, 5 * (w.x_high - w.x_low) / longest);
  plane.y.ticks = linear_ticks(w.y_low, w.y_high, 5 * (w.y_high - w.y_low) / longest);
  const double width = plane.x.ticks.back() - plane.x.ticks.front(),
               height = plane.y.ticks.back() - plane.y.ticks.front();
  const double unit = std::min(kPlotWidth / width, kPlotHeight / height);
  plane.x.from = kLeft + (kPlotWidth - width * unit) / 2;
  plane.x.to = plane.x.from + width * unit;
  plane.y.from = top + height * unit;
  plane.y.to = top;
  return plane;
}

std::string inside(const Plane& plane, const std::string& body) {
  // An <svg> within cuts off what points out of it, and needs no name to do so, as a clip path would.
  const double width = plane.x.to - plane.x.from, height = plane.y.from - plane.y.to;
  const std::string left = number(plane.x.from), top = number(plane.y.to);
  return "<svg x=\"" + left + "\" y=\"" + top + "\" width=\"" + number(width) + "\" height=\"" +
         number(height) + "\" viewBox=\"" + left + " " + top + " " + number(width) + " " + number(height) +
         "\">" + body + "</svg>\n";
}

}  // namespace onestep::pages::svg
