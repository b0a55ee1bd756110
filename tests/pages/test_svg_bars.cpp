// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <regex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "pages/svg_bars.h"
#include "pages/svg_chart.h"
#include "xml.h"

using namespace onestep::pages;
using Catch::Contains;

namespace {

struct Box {
  std::string style;
  double x, width;
};

/// The rectangles of bars, without those of the legend.
std::vector<Box> boxes(const std::string& svg) {
  static const std::regex rect(
      R"re(<rect class="(\w+)" stroke-width="0" x="([-\d.]+)" y="[-\d.]+" width="([-\d.]+)" height="16.0")re");
  std::vector<Box> found;
  for (std::sregex_iterator it(svg.begin(), svg.end(), rect), end; it != end; ++it)
    found.push_back({(*it)[1], std::stod((*it)[2]), std::stod((*it)[3])});
  return found;
}

size_t circles(const std::string& svg) {
  static const std::regex circle("<circle");
  return static_cast<size_t>(std::distance(std::sregex_iterator(svg.begin(), svg.end(), circle), {}));
}

TEST_CASE("bars are as long as their parts and stand one after the other") {
  const std::string svg = bar_chart({{"a <b>", {1, 3}, "4.0"}, {"c", {2, 0}}}, {"mean & co", "rest"},
                                    {.x_label = "FID", .y_label = ""});
  CHECK(xml_problem(svg) == "");
  CHECK_THAT(svg, Contains("a &lt;b&gt;") && Contains("mean &amp; co") && Contains(">4.0<"));
  const std::vector<Box> bars = boxes(svg);
  REQUIRE(bars.size() == 4);
  CHECK(bars[1].width == Approx(3 * bars[0].width).epsilon(1e-3));
  CHECK(bars[1].x == Approx(bars[0].x + bars[0].width).epsilon(1e-3));
  CHECK(bars[2].x == bars[0].x);
  CHECK(bars[2].width == Approx(2 * bars[0].width).epsilon(1e-3));
  CHECK(bars[3].width == 0.0);
  CHECK(bars[0].style != bars[1].style);
  CHECK(bars[0].style == bars[2].style);
}

TEST_CASE("a bar needs a length for every part") {
  CHECK_THROWS_WITH(bar_chart({{"a", {1}}}, {"x", "y"}, {}), Contains("'a' has another number of parts"));
  CHECK_THROWS_WITH(bar_chart({{"a", {-1}}}, {"x"}, {}), Contains("'a' has a part that is no length"));
  CHECK_THROWS_WITH(bar_chart({{"a", {NAN}}}, {"x"}, {}), Contains("no length"));
  CHECK_THAT(bar_chart({}, {"x"}, {}), !Contains("nan"));
  CHECK_THAT(bar_chart({{"a", {0}}}, {"x"}, {}), !Contains("nan"));
}

TEST_CASE("points of a line chart, with their errors") {
  const Series line{.name = "fit", .x = {0, 2}, .y = {1, 3}};
  const Series points{.name = "FID",
                      .x = {0, 1, 2},
                      .y = {1, 2, NAN},
                      .error = {0, 0.5, 1},
                      .has_line = false,
                      .has_dots = true};
  const std::string svg = line_chart({line, points}, {"x", "y"});
  CHECK(xml_problem(svg) == "");
  CHECK(circles(svg) == 2 + 1);  // two that are finite, and the legend's
  static const std::regex bar(
      R"re(<line class="bar s1" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)")re");
  std::smatch match;
  REQUIRE(std::regex_search(svg, match, bar));
  CHECK(match[1] == match[3]);  // upright
  // 2 ± 0.5 on an axis from 1 to 3: half of the plot's 300 pixels.
  CHECK(std::stod(match[2]) - std::stod(match[4]) == Approx(150).margin(0.2));
  CHECK_FALSE(std::regex_search(match.suffix().str(), bar));
  // The axes cover the ends of the bars.
  CHECK_THAT(line_chart({{.name = "a", .x = {1, 2}, .y = {1, 1}, .error = {9, 0}}}, {"x", "y"}),
             Contains(">10<"));
  CHECK_THROWS_WITH(line_chart({{.name = "a", .x = {1}, .y = {1}, .error = {1, 2}}}, {}),
                    Contains("'a' has other numbers"));
}

}  // namespace
