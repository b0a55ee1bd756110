// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <regex>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "pages/svg_region.h"
#include "xml.h"

using namespace onestep::pages;
using Catch::Contains;

namespace {

using Points = std::vector<std::pair<double, double>>;

const Window kWindow{-1, 1, -1, 1};
const Axes kAxes{"Re z", "Im z"};

/// The points of the first path whose style has this text, in pixels.
Points path_with(const std::string& svg, const std::string& style) {
  static const std::regex path(R"re(<path [^>]*style="([^"]*)" d="([^"]*)")re"),
      point(R"([ML]([-\d.]+) ([-\d.]+))");
  Points points;
  for (std::sregex_iterator it(svg.begin(), svg.end(), path), end; it != end && points.empty(); ++it) {
    const std::string found = (*it)[1], d = (*it)[2];
    if (found.find(style) == std::string::npos) continue;
    for (std::sregex_iterator p(d.begin(), d.end(), point); p != end; ++p)
      points.emplace_back(std::stod((*p)[1]), std::stod((*p)[2]));
  }
  return points;
}

Outline circle(double radius) {
  Outline outline;
  for (int i = 0; i <= 2000; ++i) {
    outline.x.push_back(radius * std::cos(i * std::acos(-1.0) / 1000));
    outline.y.push_back(radius * std::sin(i * std::acos(-1.0) / 1000));
  }
  return outline;
}

}  // namespace

TEST_CASE("region: areas are closed and filled, edges and lines are not; a circle is round") {
  const std::string svg = region_chart(
      "<title>", {{.name = "a & b", .areas = {circle(0.5)}, .edges = {circle(0.8)}, .lines = {circle(0.2)}}},
      kAxes, kWindow);
  CHECK(xml_problem(svg) == "");
  CHECK_THAT(svg, Contains("&lt;title&gt;") && Contains("a &amp; b</text>") && Contains("Re z</text>"));
  CHECK_THAT(svg, Contains("Z\"/>"));
  const Points area = path_with(svg, "fill-opacity"), edge = path_with(svg, "stroke-width:2"),
               faint = path_with(svg, "stroke-opacity");
  for (const auto& [points, radius] : {std::pair{area, 0.5}, {edge, 0.8}, {faint, 0.2}}) {
    REQUIRE(points.size() > 30);
    CHECK(points.size() < 600);  // thinned
    CHECK(points.front() == points.back());
    for (const auto& [x, y] : points)
      CHECK(std::hypot(x - 384, y - 276) == Approx(480 / 2.0 * radius).margin(0.2));
  }
}

TEST_CASE("region: a point that is not finite interrupts a line; what lies far out does no harm") {
  const Outline broken{{-0.5, -0.4, NAN, 0.4, 0.5, INFINITY}, {0, 0, 0, 0, 0, 0}};
  std::string svg = region_chart("t", {{.name = "a", .edges = {broken}}}, kAxes, kWindow);
  const size_t path = svg.find("stroke-width:2");
  REQUIRE(path != std::string::npos);
  const std::string d = svg.substr(path, svg.find("/>", path) - path);
  CHECK(std::ranges::count(d, 'M') == 2);
  CHECK(std::ranges::count(d, 'L') == 2);
  CHECK_THAT(svg, !Contains("nan") && !Contains("inf"));
  svg = region_chart("t", {{.name = "a", .edges = {{{0, 1e250}, {0, -1e250}}}}}, kAxes, kWindow);
  CHECK_THAT(svg, Contains("L100000.0 100000.0"));
}

TEST_CASE("region: a mark stands on the x-axis, within the window alone") {
  const auto chart = [](double mark) {
    return region_chart("t", {{.name = "a", .mark = mark}}, kAxes, kWindow);
  };
  CHECK_THAT(chart(-0.5), Contains("cx=\"264.0\" cy=\"276.0\""));
  CHECK_THAT(chart(-3), !Contains("<circle"));
  CHECK_THAT(region_chart("t", {{.name = "a"}}, kAxes, kWindow), !Contains("<circle"));
}

TEST_CASE("region: lengths that differ and an empty window are refused") {
  CHECK_THROWS_WITH(region_chart("t", {{.name = "zone", .lines = {{{1}, {}}}}}, kAxes, kWindow),
                    Contains("'zone'"));
  CHECK_THROWS_AS(region_chart("t", {}, kAxes, Window{0, NAN, 0, 1}), std::invalid_argument);
  CHECK_THROWS_AS(region_chart("t", {}, kAxes, Window{0, 1, 1, 1}), std::invalid_argument);
}
