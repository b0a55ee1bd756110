// SPDX-License-Identifier: Apache-2.0
#include "io/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "io/html.h"

namespace onestep::io {
namespace {

constexpr double kWidth = 720, kPlotHeight = 300, kLeft = 64, kRight = 16, kTop = 12, kBottom = 44,
                 kLegendRow = 20;
constexpr size_t kColours = 6;

/// From values to pixels along one axis, with the ticks that span it.
struct Scale {
  std::vector<double> ticks;
  double from = 0.0, to = 1.0;  // pixels of the first and last tick
  bool log = false;

  // The bound keeps differences finite; NaN fails it too.
  bool shows(double value) const { return std::abs(value) <= 1e300 && (!log || value > 0.0); }
  double operator()(double value) const {
    const auto place = [&](double v) { return log ? std::log10(v) : v; };
    const double low = place(ticks.front()), high = place(ticks.back());
    return from + (to - from) * (place(value) - low) / (high - low);
  }
};

Scale make_scale(const std::vector<double>& values, bool log, double from, double to) {
  Scale scale{{}, from, to, log};
  double low = INFINITY, high = -INFINITY;
  for (const double value : values)
    if (scale.shows(value)) low = std::min(low, value), high = std::max(high, value);
  if (low > high) low = high = 1.0;  // nothing to show: any axis will do
  scale.ticks = log ? log_ticks(low, high) : linear_ticks(low, high);
  return scale;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string tick_text(double value) {
  char text[32];
  const double size = std::abs(value);
  if (size >= 1e6 && size < 1e9)
    std::snprintf(text, sizeof text, "%gM", value / 1e6);
  else if (size >= 1e4 && size < 1e6)
    std::snprintf(text, sizeof text, "%gk", value / 1e3);
  else
    std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line class=\"" + style + "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" +
         number(x2) + "\" y2=\"" + number(y2) + "\"/>\n";
}

std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" + extra +
         ">" + escape(text) + "</text>\n";
}

std::string colour(size_t i) {
  return "s" + std::to_string(i % kColours);
}

std::string x_axis(const Scale& x, double top, double bottom, const std::string& text) {
  std::string svg;
  for (const double tick : x.ticks)
    svg +=
        line(x(tick), top, x(tick), bottom, "grid") + label(x(tick), bottom + 17, "middle", tick_text(tick));
  return svg + line(x.from, bottom, x.to, bottom, "axis") +
         label((x.from + x.to) / 2, bottom + 37, "middle", text);
}

std::string y_axis(const Scale& y, double left, double right, const std::string& text) {
  std::string svg;
  for (const double tick : y.ticks)
    svg += line(left, y(tick), right, y(tick), "grid") + label(left - 8, y(tick) + 4, "end", tick_text(tick));
  const std::string middle = number((y.from + y.to) / 2);
  return svg + "<text text-anchor=\"middle\" transform=\"translate(14 " + middle + ") rotate(-90)\">" +
         escape(text) + "</text>\n";
}

std::string chart(double height, const std::string& name, const std::string& body) {
  return "<svg class=\"chart\" role=\"img\" aria-label=\"" + escape(name) + "\" viewBox=\"0 0 " +
         number(kWidth) + " " + number(height) + "\" xmlns=\"http://www.w3.org/2000/svg\">\n" + body +
         "</svg>\n";
}

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

}  // namespace

std::vector<double> linear_ticks(double low, double high, int count) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (!(high - low > 1e-9 * size)) {  // one value, or so close that labels could not tell them apart
    const double margin = size == 0.0 ? 1.0 : size * 0.1;
    low -= margin;
    high += margin;
  }
  const double rough = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = power * (rough / power < 1.5   ? 1
                               : rough / power < 3.5 ? 2
                               : rough / power < 7.5 ? 5
                                                     : 10);
  // Multiples of the step, and fractions of its whole inverse where it is below 1, so that 0 is 0 and 0.6 is
  // 0.6.
  const auto multiple = [&](double i) { return step < 1.0 ? i / std::round(1.0 / step) : i * step; };
  std::vector<double> ticks;
  for (double i = std::floor(low / step + 1e-9); ticks.empty() || ticks.back() < high - step * 1e-9; ++i)
    ticks.push_back(multiple(i));
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  if (last == first) ++last;
  const int decades = last - first, stride = (decades + 7) / 8;
  std::vector<double> ticks;
  for (int e = first; e < last + stride; e += stride)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor == 1.0 || (decades <= 2 && e < last)) ticks.push_back(factor * std::pow(10.0, e));
  return ticks;
}

std::string line_chart(const std::vector<Series>& series, const Axes& axes) {
  std::vector<double> xs, ys;
  for (const Series& one : series) {
    if (one.x.size() != one.y.size())
      throw std::invalid_argument("line_chart: series '" + one.name + "' has other numbers of x and y");
    for (size_t i = 0; i < one.x.size(); ++i)
      if (std::isfinite(one.x[i]) && std::isfinite(one.y[i])) xs.push_back(one.x[i]), ys.push_back(one.y[i]);
  }
  const double bottom = kTop + kPlotHeight;
  const Scale x = make_scale(xs, axes.log_x, kLeft, kWidth - kRight),
              y = make_scale(ys, axes.log_y, bottom, kTop);
  std::string svg = y_axis(y, x.from, x.to, axes.y_label) + x_axis(x, kTop, bottom, axes.x_label);
  double legend = bottom + kBottom + 14;
  for (size_t i = 0; i < series.size(); ++i, legend += kLegendRow) {
    svg += curve(series[i], x, y, colour(i));
    svg += line(kLeft, legend - 4, kLeft + 22, legend - 4, colour(i)) +
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

}  // namespace onestep::io
