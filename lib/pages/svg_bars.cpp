// SPDX-License-Identifier: Apache-2.0
#include "pages/svg_bars.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pages/svg.h"

namespace onestep::pages {
namespace {

using namespace svg;

constexpr double kNames = 220, kRow = 30, kThick = 16, kText = 70;

double sum_of(const Bar& bar, size_t parts) {
  double sum = 0;
  for (const double part : bar.parts) {
    if (!(part >= 0.0) || !std::isfinite(part))
      throw std::invalid_argument("bar_chart: '" + bar.name + "' has a part that is no length");
    sum += part;
  }
  if (bar.parts.size() != parts)
    throw std::invalid_argument("bar_chart: '" + bar.name + "' has another number of parts");
  return sum;
}

std::string row(const Bar& bar, double y, const Scale& x) {
  std::string svg = label(kNames - 12, y + 4, "end", bar.name, " class=\"name\"");
  double begin = 0;
  for (size_t i = 0; i < bar.parts.size(); ++i) {
    const double left = x(begin), right = x(begin + bar.parts[i]);
    svg += "<rect class=\"" + colour(i) + "\" stroke-width=\"0\" x=\"" + number(left) + "\" y=\"" +
           number(y - kThick / 2) + "\" width=\"" + number(right - left) + "\" height=\"" + number(kThick) +
           "\"/>\n";
    begin += bar.parts[i];
  }
  return svg + label(x(begin) + 7, y + 4, "start", bar.text);
}

}  // namespace

std::string bar_chart(const std::vector<Bar>& bars, const std::vector<std::string>& parts, const Axes& axes) {
  std::vector<double> ends{0.0};
  for (const Bar& bar : bars) ends.push_back(sum_of(bar, parts.size()));
  const double bottom = kTop + kRow * static_cast<double>(std::max<size_t>(bars.size(), 1));
  const Scale x = make_scale(ends, false, kNames, kWidth - kRight - kText);
  std::string svg = x_axis(x, kTop, bottom, axes.x_label);
  for (size_t i = 0; i < bars.size(); ++i)
    svg += row(bars[i], kTop + kRow * (static_cast<double>(i) + 0.5), x);
  double legend = bottom + kBottom + 14;
  for (size_t i = 0; i < parts.size(); ++i, legend += kLegendRow)
    svg += "<rect class=\"" + colour(i) + "\" stroke-width=\"0\" x=\"" + number(kNames) + "\" y=\"" +
           number(legend - 10) + "\" width=\"22\" height=\"11\"/>\n" +
           label(kNames + 30, legend, "start", parts[i], " class=\"name\"");
  return chart(legend - 8, axes.x_label, svg);
}

}  // namespace onestep::pages
