// SPDX-License-Identifier: Apache-2.0
#include "pages/svg_field.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pages/svg.h"
#include "pages/svg_plane.h"

namespace onestep::pages {
namespace {

using namespace svg;

constexpr double kDotRadius = 1.6;
constexpr size_t kDots = 2000;

/// The box around everything that is finite.
std::optional<Window> box_of(const std::vector<Series>& clouds, const Arrows& arrows) {
  Window box{INFINITY, -INFINITY, INFINITY, -INFINITY};
  const auto take = [&](const std::vector<double>& xs, const std::vector<double>& ys) {
    const Scale any;
    for (size_t i = 0; i < xs.size(); ++i) {
      if (!any.shows(xs[i]) || !any.shows(ys[i])) continue;
      box = {std::min(box.x_low, xs[i]), std::max(box.x_high, xs[i]), std::min(box.y_low, ys[i]),
             std::max(box.y_high, ys[i])};
    }
  };
  for (const Series& cloud : clouds) take(cloud.x, cloud.y);
  take(arrows.x, arrows.y);
  if (box.x_low > box.x_high) return {};
  return box;
}

std::string dots(const Series& cloud, const Plane& plane, const std::string& style) {
  const size_t stride = (cloud.x.size() + kDots - 1) / kDots;
  std::string svg = "<g class=\"dots " + style + "\">\n";
  for (size_t i = 0; i < cloud.x.size(); i += stride) {
    if (!plane.shows(cloud.x[i], cloud.y[i])) continue;
    svg += "<circle cx=\"" + number(plane.x(cloud.x[i])) + "\" cy=\"" + number(plane.y(cloud.y[i])) +
           "\" r=\"" + number(kDotRadius) + "\"/>\n";
  }
  return svg + "</g>\n";
}

/// A vector in pixels, y downwards.
struct Arrow {
  double x, y, dx, dy;
  double length() const { return std::hypot(dx, dy); }
};

/// Shaft and head as a piece of a path.
std::string arrow_path(const Arrow& a) {
  constexpr double kHead = 0.3, kSpread = 0.5;  // of the length; of the head's
  const auto point = [&](double along, double across) {
    return number(a.x + along * a.dx - across * a.dy) + " " + number(a.y + along * a.dy + across * a.dx);
  };
  const double side = kHead * kSpread;
  return "M" + point(0, 0) + "L" + point(1, 0) + "M" + point(1 - kHead, side) + "L" + point(1, 0) + "L" +
         point(1 - kHead, -side);
}

/// How far arrows are apart, as if they stood on a square grid.
double spacing(const std::vector<Arrow>& arrows) {
  const auto extent = [&](double Arrow::*place) {
    const auto [low, high] = std::minmax_element(arrows.begin(), arrows.end(),
                                                 [=](auto& a, auto& b) { return a.*place < b.*place; });
    return (*high).*place - (*low).*place;
  };
  constexpr double kFewest = 6, kMost = 40;
  if (arrows.size() == 1) return kMost;
  const double wide = extent(&Arrow::x), high = extent(&Arrow::y), n = static_cast<double>(arrows.size());
  const double apart = std::min(wide, high) > kMost ? std::sqrt(wide * high / n) : std::max(wide, high) / n;
  return std::clamp(apart, kFewest, kMost);
}

std::string arrow_field(const Arrows& field, const Plane& plane) {
  std::vector<Arrow> arrows;
  std::vector<double> lengths;
  for (size_t i = 0; i < field.x.size(); ++i) {
    const double length = std::hypot(field.dx[i], field.dy[i]);
    if (!plane.shows(field.x[i], field.y[i]) || !std::isfinite(length) || length == 0) continue;
    arrows.push_back({plane.x(field.x[i]), plane.y(field.y[i]), field.dx[i] / length, -field.dy[i] / length});
    lengths.push_back(length);
  }
  if (arrows.empty()) return "";
  std::vector<double> sorted = lengths;
  const auto long_one = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() * 9 / 10);
  std::nth_element(sorted.begin(), long_one, sorted.end());
  const double longest = spacing(arrows);
  std::string path;
  for (size_t i = 0; i < arrows.size(); ++i) {
    const double scale = longest * std::min(1.0, lengths[i] / *long_one);
    arrows[i].dx *= scale;
    arrows[i].dy *= scale;
    if (arrows[i].length() >= 0.5) path += arrow_path(arrows[i]);
  }
  return inside(plane, "<path class=\"arrows\" d=\"" + path + "\"/>");
}

void check_lengths(const std::vector<Series>& clouds, const Arrows& arrows) {
  for (const Series& cloud : clouds)
    if (cloud.x.size() != cloud.y.size())
      throw std::invalid_argument("field_chart: cloud '" + cloud.name + "' has other numbers of x and y");
  const size_t n = arrows.x.size();
  if (arrows.y.size() != n || arrows.dx.size() != n || arrows.dy.size() != n)
    throw std::invalid_argument("field_chart: arrows '" + arrows.name +
                                "' have other numbers of x, y, dx and dy");
}

}  // namespace

std::string field_chart(const std::vector<Series>& clouds, const Arrows& arrows, const Axes& axes,
                        const std::optional<Window>& window) {
  check_lengths(clouds, arrows);
  if (window && !(window->x_low < window->x_high && window->y_low < window->y_high))
    throw std::invalid_argument("field_chart: the window is empty");
  const std::optional<Window> box = window ? window : box_of(clouds, arrows);
  const Plane plane = make_plane(box.value_or(Window{-1, 1, -1, 1}));
  const Scale &x = plane.x, &y = plane.y;
  const double bottom = y.from;
  std::string svg = y_axis(y, x.from, x.to, axes.y_label) + x_axis(x, kTop, bottom, axes.x_label) +
                    arrow_field(arrows, plane);
  double legend = bottom + kBottom + 14;
  const auto name = [&](const std::string& text) {
    svg += label(x.from + 30, legend, "start", text, " class=\"name\"");
    legend += kLegendRow;
  };
  for (size_t i = 0; i < clouds.size(); ++i) {
    svg += dots(clouds[i], plane, colour(i));
    svg += "<circle class=\"" + colour(i) + "\" cx=\"" + number(x.from + 11) + "\" cy=\"" +
           number(legend - 4) + "\" r=\"3\"/>\n";
    name(clouds[i].name);
  }
  if (!arrows.x.empty()) {
    svg += "<path class=\"arrows\" d=\"" + arrow_path({x.from, legend - 4, 22, 0}) + "\"/>\n";
    name(arrows.name);
  }
  if (!box) svg += label((x.from + x.to) / 2, (kTop + bottom) / 2, "middle", "no data");
  return chart(legend - 8, axes.y_label + " over " + axes.x_label, svg);
}

}  // namespace onestep::pages
