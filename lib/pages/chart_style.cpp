// SPDX-License-Identifier: Apache-2.0
#include "pages/chart_style.h"

#include <stdexcept>

namespace onestep::pages {
namespace {

constexpr Colour kPalette[] = {
    {"bg", "#fcfcfa", "#15181d"},      {"fg", "#22272e", "#dfe3e8"}, {"soft", "#667080", "#98a2b0"},
    {"line", "#d9dde3", "#333a44"},    {"card", "#fff", "#1c2027"},  {"note", "#8a5a00", "#f0c060"},
    {"note-bg", "#fff6e0", "#2c2413"}, {"s0", "#1f6fb4", "#6cb2f0"}, {"s1", "#c8590b", "#f59a55"},
    {"s2", "#1f8a70", "#5cc9aa"},      {"s3", "#a43b8f", "#e08ad0"}, {"s4", "#7a6a00", "#d2c04a"},
    {"s5", "#5b5fc7", "#a3a6ff"},
};

constexpr std::string_view kRules = R"(
.chart { font: 12px system-ui, sans-serif; }
.chart text { fill: var(--soft); } .chart .name { fill: var(--fg); } .chart .grid { stroke: var(--line); } .chart .axis { stroke: var(--soft); }
.s0 { stroke: var(--s0); fill: var(--s0); } .s1 { stroke: var(--s1); fill: var(--s1); } .s2 { stroke: var(--s2); fill: var(--s2); }
.s3 { stroke: var(--s3); fill: var(--s3); } .s4 { stroke: var(--s4); fill: var(--s4); } .s5 { stroke: var(--s5); fill: var(--s5); }
.chart polyline { fill: none; stroke-width: 1.75; stroke-linejoin: round; } .chart .bar { stroke-width: 2; }
.chart .dots { stroke: none; fill-opacity: .5; } .chart .arrows { fill: none; stroke: var(--soft); stroke-linecap: round; }
)";

/// CSS with the light colours themselves: not every program that shows SVG knows variables.
std::string with_light_colours(std::string_view css) {
  std::string text(css);
  for (const auto& [name, light, dark] : kPalette) {
    const std::string variable = "var(--" + std::string(name) + ")";
    for (size_t at = text.find(variable); at != std::string::npos; at = text.find(variable, at))
      text.replace(at, variable.size(), light);
  }
  return text;
}

}  // namespace

std::span<const Colour> palette() {
  return kPalette;
}

std::string_view chart_rules() {
  return kRules;
}

std::string standalone_svg(std::string_view chart) {
  constexpr std::string_view kStart = "<svg class=\"chart\"", kBox = " viewBox=\"0 0 ";
  const size_t inside = chart.find('>'), box = chart.find(kBox), size = box + kBox.size();
  const size_t middle = chart.find(' ', size), end = chart.find('"', size);
  if (!chart.starts_with(kStart) || inside == chart.npos || box > inside || middle > end || end > inside)
    throw std::invalid_argument("standalone_svg: this is not a chart of ours");
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + std::string(kStart) + " width=\"" +
         std::string(chart.substr(size, middle - size)) + "\" height=\"" +
         std::string(chart.substr(middle + 1, end - middle - 1)) + "\"" +
         std::string(chart.substr(kStart.size(), inside + 1 - kStart.size())) + "\n<style>" +
         with_light_colours(kRules) + "</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>" +
         std::string(chart.substr(inside + 1));
}

}  // namespace onestep::pages
