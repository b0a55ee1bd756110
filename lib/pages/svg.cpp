// SPDX-License-Identifier: Apache-2.0
#include "pages/svg.h"

#include <algorithm>
#include <cstdio>

#include "pages/html.h"
#include "pages/ticks.h"

namespace onestep::pages::svg {
namespace {

constexpr size_t kColours = 6;

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

}  // namespace

double Scale::operator()(double value) const {
  const auto place = [&](double v) { return log ? std::log10(v) : v; };
  const double low = place(ticks.front()), high = place(ticks.back());
  return from + (to - from) * (place(value) - low) / (high - low);
}

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

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line class=\"" + style + "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" +
         number(x2) + "\" y2=\"" + number(y2) + "\"/>\n";
}

std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra) {
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
  return svg + "<text text-anchor=\"middle\" transform=\"translate(" + number(left - 50) + " " + middle +
         ") rotate(-90)\">" + escape(text) + "</text>\n";
}

std::string chart(double height, const std::string& name, const std::string& body) {
  return "<svg class=\"chart\" role=\"img\" aria-label=\"" + escape(name) + "\" viewBox=\"0 0 " +
         number(kWidth) + " " + number(height) + "\" xmlns=\"http://www.w3.org/2000/svg\">\n" + body +
         "</svg>\n";
}

}  // namespace onestep::pages::svg
