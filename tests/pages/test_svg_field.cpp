// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>
#include <limits>
#include <regex>
#include <sstream>

#include <catch2/catch.hpp>

#include "pages/chart_style.h"
#include "pages/html.h"
#include "pages/svg_field.h"
#include "xml.h"

using namespace onestep::pages;
using Catch::Contains;

namespace {

using Points = std::vector<std::pair<double, double>>;

/// The centres of the dots of cloud `i`, in pixels.
Points dots_of(const std::string& svg, size_t i) {
  const std::string group = "<g class=\"dots s" + std::to_string(i) + "\">";
  const size_t begin = svg.find(group);
  Points points;
  if (begin == std::string::npos) return points;
  const std::string body = svg.substr(begin, svg.find("</g>", begin) - begin);
  static const std::regex circle(R"re(cx="([-\d.]+)" cy="([-\d.]+)")re");
  for (std::sregex_iterator it(body.begin(), body.end(), circle), end; it != end; ++it)
    points.emplace_back(std::stod((*it)[1]), std::stod((*it)[2]));
  return points;
}

struct Shaft {
  double x, y, dx, dy;
  double length() const { return std::hypot(dx, dy); }
};

/// The shafts of the field's arrows: each is an M and an L before its head.
std::vector<Shaft> shafts_of(const std::string& svg) {
  const size_t begin = svg.find("<svg x=");  // the one in the legend lies outside of it
  std::vector<Shaft> shafts;
  if (begin == std::string::npos) return shafts;
  const std::string body = svg.substr(begin, svg.find("/>", begin) - begin);
  static const std::regex shaft(R"(M([-\d.]+) ([-\d.]+)L([-\d.]+) ([-\d.]+)M)");
  for (std::sregex_iterator it(body.begin(), body.end(), shaft), end; it != end; ++it) {
    const double x = std::stod((*it)[1]), y = std::stod((*it)[2]);
    shafts.push_back({x, y, std::stod((*it)[3]) - x, std::stod((*it)[4]) - y});
  }
  return shafts;
}

/// Vectors towards the origin on a grid of 5 × 5.
Arrows inwards() {
  Arrows arrows{"score", {}, {}, {}, {}};
  for (int i = -2; i <= 2; ++i)
    for (int j = -2; j <= 2; ++j) {
      arrows.x.push_back(i), arrows.y.push_back(j);
      arrows.dx.push_back(-0.01 * i), arrows.dy.push_back(-0.01 * j);
    }
  return arrows;
}

const Axes kAxes{"x₁", "x₂"};

}  // namespace

TEST_CASE("field: the helper tells XML from what is not") {
  CHECK(xml_problem("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"1\"><c/>x &amp; y</a>\n").empty());
  for (const std::string bad : {"<a>", "<a></b>", "<a b=1/>", "<a b=\"1\" b=\"2\"/>", "<a>&nbsp;</a>",
                                "<a>x < y</a>", "<a/><b/>", "", "<a b=\"<\"/>"}) {
    INFO(bad);
    CHECK_FALSE(xml_problem(bad).empty());
  }
}

TEST_CASE("field: a unit is as long across as upwards, and y goes upwards") {
  for (const std::vector<double>& corner : {std::vector<double>{1, 1}, {10, 2}, {2, 10}, {3, 1e-9}}) {
    const double w = corner[0], h = corner[1];
    const std::string svg = field_chart({{"data", {0, w, 0}, {0, 0, h}}}, {}, kAxes);
    INFO(w << " by " << h);
    const Points points = dots_of(svg, 0);
    REQUIRE(points.size() == 3);
    const auto [x0, y0] = points[0];
    CHECK(points[1].second == y0);
    CHECK(points[2].first == x0);
    CHECK(points[1].first - x0 == Approx(w / h * (y0 - points[2].second)).margin(0.11 * (1 + w / h)));
    CHECK(points[1].first - x0 + y0 - points[2].second > 200);  // and the picture is filled
    for (const auto& [x, y] : points) {
      CHECK(x >= 64);
      CHECK(x <= 704);
      CHECK(y >= 12);
      CHECK(y <= 492);
    }
  }
}

TEST_CASE("field: clouds have their colours and a legend; texts are escaped") {
  const std::string svg =
      field_chart({{"<data>", {1, 2}, {1, 2}}, {"a & b", {1}, {2}}}, {}, {"<x>", "\"y\""});
  CHECK(xml_problem(svg).empty());
  CHECK_THAT(svg, Contains("&lt;data&gt;</text>") && Contains("a &amp; b</text>") && Contains("&lt;x&gt;") &&
                      Contains("&quot;y&quot;"));
  CHECK(dots_of(svg, 0).size() == 2);
  CHECK(dots_of(svg, 1).size() == 1);
  CHECK(shafts_of(svg).empty());
}

TEST_CASE("field: arrows point where their vectors do, the longest as long as the grid is wide") {
  const Arrows field = inwards();
  const std::string svg = field_chart({}, field, kAxes);
  CHECK(xml_problem(svg).empty());
  const std::vector<Shaft> shafts = shafts_of(svg);
  REQUIRE(shafts.size() == 24);  // none at the origin, where the vector is 0
  const Points corners = dots_of(field_chart({{"", {-2, -1}, {-2, -2}}}, field, kAxes), 0);
  const double grid = std::min(corners[1].first - corners[0].first, 40.0);
  double longest = 0;
  for (size_t i = 0; i < shafts.size(); ++i) {
    const size_t k = i < 12 ? i : i + 1;
    const double sine = shafts[i].dx * -field.dy[k] - shafts[i].dy * field.dx[k],
                 cosine = shafts[i].dx * field.dx[k] - shafts[i].dy * field.dy[k];
    const double length = std::hypot(field.dx[k], field.dy[k]);
    INFO(field.x[k] << " " << field.y[k]);
    CHECK(std::abs(sine) < 0.02 * length * shafts[i].length());
    CHECK(cosine > 0);
    longest = std::max(longest, shafts[i].length());
  }
  CHECK(longest == Approx(grid).epsilon(0.25));
  // Between short ones lengths are in proportion: (1, 0) against (2, 0).
  CHECK(2 * shafts[16].length() == Approx(shafts[21].length()).margin(0.5));
  // What vectors are measured in does not matter.
  Arrows larger = field;
  for (double& v : larger.dx) v *= 1e6;
  for (double& v : larger.dy) v *= 1e6;
  CHECK(field_chart({}, larger, kAxes) == svg);
}

TEST_CASE("field: what is not finite or outside the window is left out; nothing to show is no error") {
  const double inf = std::numeric_limits<double>::infinity();
  const Series cloud{"data", {0, NAN, 1, inf, 2, 1e308}, {0, 1, NAN, 1, 2, 0}};
  const Arrows arrows{"score", {0, NAN, 1, 2, 1}, {0, 1, 1, 2, 0}, {1, 1, NAN, inf, 0}, {1, 1, 0, 0, 0}};
  const std::string svg = field_chart({cloud}, arrows, kAxes);
  CHECK(dots_of(svg, 0).size() == 2);
  CHECK(shafts_of(svg).size() == 1);
  CHECK_THAT(svg, !Contains("nan") && !Contains("inf"));
  const std::string narrow = field_chart({cloud}, arrows, kAxes, Window{1.5, 2.5, 1.5, 2.5});
  CHECK(dots_of(narrow, 0).size() == 1);
  CHECK(shafts_of(narrow).empty());
  for (const std::string& empty : {field_chart({}, {}, {}), field_chart({{"a", {}, {}}}, {}, {}),
                                   field_chart({{"a", {NAN}, {1}}}, {}, {})}) {
    CHECK(xml_problem(empty).empty());
    CHECK_THAT(empty, Contains("no data") && !Contains("nan") && !Contains("inf"));
  }
  for (const std::vector<double>& one : {std::vector<double>{0, 0}, {5, 7}, {1e300, -1e300}, {1e-300, 0}}) {
    const std::string point = field_chart({{"a", {one[0]}, {one[1]}}}, {}, kAxes);
    INFO(one[0] << " " << one[1]);
    CHECK(dots_of(point, 0).size() == 1);
    CHECK_THAT(point, !Contains("nan") && !Contains("inf"));
  }
}

TEST_CASE("field: a large cloud is thinned evenly") {
  Series cloud{"data", {}, {}};
  for (int i = 0; i < 100'000; ++i) cloud.x.push_back(i), cloud.y.push_back(i % 100);
  const Points points = dots_of(field_chart({cloud}, {}, kAxes), 0);
  CHECK(points.size() == 2000);
  CHECK(points.back().first - points.front().first > 600);
}

TEST_CASE("field: lengths that differ and an empty window are refused by name") {
  CHECK_THROWS_WITH(field_chart({{"data", {1}, {}}}, {}, {}), Contains("'data'"));
  CHECK_THROWS_WITH(field_chart({}, {"score", {1}, {1}, {1}, {}}, {}), Contains("'score'"));
  CHECK_THROWS_WITH(field_chart({}, {}, {}, Window{0, 0, 0, 1}), Contains("window"));
  CHECK_THROWS_WITH(field_chart({}, {}, {}, Window{0, NAN, 0, 1}), Contains("window"));
}

TEST_CASE("standalone: every chart becomes a file of its own: XML, a size, colours, nothing fetched") {
  for (const std::string& chart : {field_chart({{"<a> & b", {1, 2}, {1, 2}}}, inwards(), {"x > 0", "y"}),
                                   line_chart({{"loss", {1, 2}, {3, 1}}}, {"x > 0", "y"}),
                                   dot_chart({{"teacher", 4, 1}}, {"FID", ""})}) {
    CHECK(xml_problem(chart).empty());
    const std::string file = standalone_svg(chart);
    CHECK(xml_problem(file) == "");
    CHECK_THAT(file, Contains("<svg class=\"chart\" width=\"720.0\" height=\"") && Contains("<style>") &&
                         Contains(".s0 { stroke: #1f6fb4") && Contains("fill=\"#fff\""));
    CHECK_THAT(file, !Contains("var(") && !Contains("url(") && !Contains("@import"));
  }
  for (const std::string text :
       {"", "<svg>", "<svg class=\"chart\">", "<p>", "<svg class=\"chart\" viewBox=\"0 0 ",
        "<svg class=\"chart\" viewBox=\"0 0 5\">"})
    CHECK_THROWS_AS(standalone_svg(text), std::invalid_argument);
}

TEST_CASE("html: a page has every colour that its rules name, light and dark") {
  const std::string html = page("Report", "");
  static const std::regex use(R"(var\(--([\w-]+)\))");
  for (std::sregex_iterator it(html.begin(), html.end(), use), end; it != end; ++it) {
    const std::string definition = " --" + (*it)[1].str() + ": #";
    INFO(definition);
    const size_t light = html.find(definition), dark = html.find(definition, light + 1);
    CHECK(light < html.find("prefers-color-scheme"));
    CHECK(dark != std::string::npos);
  }
}
