// SPDX-License-Identifier: Apache-2.0
#include "pages/svg_region.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pages/svg.h"

namespace onestep::pages {
namespace {

using namespace svg;

constexpr double kTitleHeight = 24;
constexpr double kStride = 3;                        // pixels between the points of a curve
constexpr const char* kGround = "fill-opacity:.14";  // of an area

void check_lengths(const Region& region) {
  for (const auto* outlines : {&region.areas, &region.edges, &region.lines})
    for (const Outline& outline : *outlines)
      if (outline.x.size() != outline.y.size())
        throw std::invalid_argument("region_chart: an outline of '" + region.name +
                                    "' has other numbers of x and y");
}

/// The outline as pieces of a path, thinned.
std::string path_of(const Outline& outline, const Plane& plane, bool closed) {
  // Beyond this lies no picture, and a renderer's arithmetic ends.
  const auto place = [](double pixel) { return std::clamp(pixel, -1e5, 1e5); };
  const auto shows = [&](size_t i) { return plane.x.shows(outline.x[i]) && plane.y.shows(outline.y[i]); };
  std::string path;
  bool drawing = false;
  double last_x = 0, last_y = 0;
  for (size_t i = 0; i < outline.x.size(); ++i) {
    if (!shows(i)) {
      drawing = false;
      continue;
    }
    const double x = place(plane.x(outline.x[i])), y = place(plane.y(outline.y[i]));
    const bool ends = i + 1 == outline.x.size() || !shows(i + 1);
    if (drawing && !ends && std::hypot(x - last_x, y - last_y) < kStride) continue;
    path += (drawing ? "L" : "M") + number(x) + " " + number(y);
    drawing = true;
    last_x = x;
    last_y = y;
  }
  return closed && !path.empty() ? path + "Z" : path;
}

std::string path_element(const std::vector<Outline>& outlines, const Plane& plane, bool closed,
                         const std::string& style) {
  std::string path;
  for (const Outline& outline : outlines) path += path_of(outline, plane, closed);
  return path.empty() ? "" : "<path " + style + " d=\"" + path + "\"/>\n";
}

}  // namespace

std::string region_chart(const std::string& title, const std::vector<Region>& regions, const Axes& axes,
                         const Window& window) {
  for (const Region& region : regions) check_lengths(region);
  if (!(window.x_low < window.x_high && window.y_low < window.y_high))
    throw std::invalid_argument("region_chart: the window is empty");
  const Plane plane = make_plane(window, kTop + kTitleHeight);
  const auto& [x, y] = plane;
  std::string svg = label((x.from + x.to) / 2, kTop + 8, "middle", title, " class=\"name\"") +
                    y_axis(y, x.from, x.to, axes.y_label) + x_axis(x, y.to, y.from, axes.x_label);
  std::string areas, lines, marks;
  if (plane.shows(0, y.ticks.front())) lines += line(x(0), y.to, x(0), y.from, "axis");
  if (plane.shows(x.ticks.front(), 0)) lines += line(x.from, y(0), x.to, y(0), "axis");
  double legend = y.from + kBottom + 14;
  for (size_t i = 0; i < regions.size(); ++i, legend += kLegendRow) {
    const Region& region = regions[i];
    const std::string of = "class=\"" + colour(i) + "\" style=\"";
    areas += path_element(region.areas, plane, true, of + kGround + ";stroke:none\"");
    lines += path_element(region.lines, plane, false, of + "fill:none;stroke-opacity:.45\"") +
             path_element(region.edges, plane, false, of + "fill:none;stroke-width:2\"");
    if (region.mark && plane.shows(*region.mark, 0))
      marks += "<circle class=\"" + colour(i) + "\" cx=\"" + number(x(*region.mark)) + "\" cy=\"" +
               number(y(0)) + "\" r=\"3.5\"/>\n";
    svg += "<rect " + of + kGround + "\" x=\"" + number(x.from) + "\" y=\"" + number(legend - 10) +
           "\" width=\"22\" height=\"11\"/>\n" +
           label(x.from + 30, legend, "start", region.name, " class=\"name\"");
  }
  return chart(legend - 8, title, svg + inside(plane, areas + lines + marks));
}

}  // namespace onestep::pages
