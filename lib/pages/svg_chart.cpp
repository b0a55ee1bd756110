// SPDX-License-Identifier: Apache-2.0
#include "pages/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "pages/svg.h"

namespace onestep::pages {
namespace {

using namespace svg;

constexpr double kPlotHeight = 300;

std::string polyline(const std::string& points, const std::string& style) {
  return points.empty()
             ? ""
             : "<polyline class=\"" + style + "\" style=\"fill:none\" points=\"" + points + "\"/>\n";
}

/// The series as polylines. Within a pixel column only the first, lowest, highest and last points are kept.
std::string curve(const Series& series, const Scale& x, const Scale& y, const std::string& style) {
  std::string svg, points;
  std::vector<std::pair<double, double>> column;  // pixels that share an x
  const auto flush = [&] {
    if (column.empty()) return;
    const auto [low, high] = std::minmax_element(column.begin(), column.end(),
                                                 [](auto& a, auto& b) { return a.second < b.second; });
    std::vector<size_t> kept{0, static_cast<size_t>(low - column.begin()),
                             static_cast<size_t>(high - column.begin()), column.size() - 1};
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    for (const size_t i : kept) points += number(column[i].first) + "," + number(column[i].second) + " ";
    column.clear();
  };
  const auto end_line = [&] {
    flush();
    svg += polyline(points, style);
    points.clear();
  };
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) {
      end_line();
      continue;
    }
    const std::pair point{x(series.x[i]), y(series.y[i])};
    if (!column.empty() && std::floor(column.back().first) != std::floor(point.first)) flush();
    column.push_back(point);
  }
  end_line();
  return svg;
}

/// The points themselves, each with its error.
std::string dots(const Series& series, const Scale& x, const Scale& y, const std::string& style) {
  std::string svg;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    const double across = x(series.x[i]), error = series.error.empty() ? 0.0 : std::abs(series.error[i]);
    const double low = series.y[i] - error, high = series.y[i] + error;
    // On a logarithmic axis a bar that reaches 0 ends at the axis.
    if (error > 0.0 && y.shows(high))
      svg += line(across, y.shows(low) ? y(low) : y.from, across, y(high), "bar " + style);
    if (series.has_dots)
      svg += "<circle class=\"" + style + "\" cx=\"" + number(across) + "\" cy=\"" + number(y(series.y[i])) +
             "\" r=\"3.5\"/>\n";
  }
  return svg;
}

/// What the legend shows of a series, beside its name.
std::string sample(const Series& series, double y, const std::string& style) {
  if (series.has_line) return line(kLeft, y, kLeft + 22, y, style);
  return "<circle class=\"" + style + "\" cx=\"" + number(kLeft + 11) + "\" cy=\"" + number(y) +
         "\" r=\"3.5\"/>\n";
}

/// The values that the axes have to cover.
std::pair<std::vector<double>, std::vector<double>> extent(const std::vector<Series>& series) {
  std::vector<double> xs, ys;
  for (const Series& one : series) {
    if (one.x.size() != one.y.size() || (!one.error.empty() && one.error.size() != one.y.size()))
      throw std::invalid_argument("line_chart: series '" + one.name + "' has other numbers of x and y");
    for (size_t i = 0; i < one.x.size(); ++i) {
      if (!std::isfinite(one.x[i]) || !std::isfinite(one.y[i])) continue;
      const double error = one.error.empty() || !std::isfinite(one.error[i]) ? 0.0 : one.error[i];
      xs.push_back(one.x[i]);
      ys.insert(ys.end(), {one.y[i] - error, one.y[i], one.y[i] + error});
    }
  }
  return {xs, ys};
}

}  // namespace

std::string line_chart(const std::vector<Series>& series, const Axes& axes) {
  const auto [xs, ys] = extent(series);
  const double bottom = kTop + kPlotHeight;
  const Scale x = make_scale(xs, axes.log_x, kLeft, kWidth - kRight),
              y = make_scale(ys, axes.log_y, bottom, kTop);
  std::string svg = y_axis(y, x.from, x.to, axes.y_label) + x_axis(x, kTop, bottom, axes.x_label);
  double legend = bottom + kBottom + 14;
  for (size_t i = 0; i < series.size(); ++i, legend += kLegendRow) {
    if (series[i].has_line) svg += curve(series[i], x, y, colour(i));
    svg += dots(series[i], x, y, colour(i)) + sample(series[i], legend - 4, colour(i)) +
           label(kLeft + 30, legend, "start", series[i].name, " class=\"name\"");
  }
  if (xs.empty()) svg += label((x.from + x.to) / 2, (kTop + bottom) / 2, "middle", "no data");
  return chart(legend - 8, axes.y_label + " over " + axes.x_label, svg);
}

std::string dot_chart(const std::vector<Dot>& dots, const Axes& axes) {
  constexpr double kNames = 220, kRow = 30;
  std::vector<double> ends;
  const auto error = [](const Dot& dot) { return std::isfinite(dot.error) ? std::abs(dot.error) : 0.0; };
  for (const Dot& dot : dots)
    if (std::isfinite(dot.value))
      ends.insert(ends.end(), {dot.value - error(dot), dot.value, dot.value + error(dot)});
  const double bottom = kTop + kRow * static_cast<double>(std::max<size_t>(dots.size(), 1));
  const Scale x = make_scale(ends, axes.log_x, kNames, kWidth - kRight);
  std::string svg = x_axis(x, kTop, bottom, axes.x_label);
  for (size_t i = 0; i < dots.size(); ++i) {
    const Dot& dot = dots[i];
    const double y = kTop + kRow * (static_cast<double>(i) + 0.5);
    svg += label(kNames - 12, y + 4, "end", dot.name, " class=\"name\"");
    if (!x.shows(dot.value)) {
      svg += label(kNames + 8, y + 4, "start", "not a number on this axis");
      continue;
    }
    // On a logarithmic axis a bar that reaches 0 ends at the axis.
    const double low = x.shows(dot.value - error(dot)) ? x(dot.value - error(dot)) : x.from;
    if (error(dot) > 0.0) svg += line(low, y, x(dot.value + error(dot)), y, "bar " + colour(0));
    svg += "<circle class=\"" + colour(0) + "\" cx=\"" + number(x(dot.value)) + "\" cy=\"" + number(y) +
           "\" r=\"3.5\"/>\n";
  }
  return chart(bottom + kBottom, axes.x_label, svg);
}

}  // namespace onestep::pages
