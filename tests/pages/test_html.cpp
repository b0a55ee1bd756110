// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <sstream>

#include <catch2/catch.hpp>

#include "pages/html.h"
#include "pages/svg_chart.h"
#include "pages/ticks.h"

using namespace onestep::pages;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace {

/// The points of every polyline.
std::vector<std::vector<std::pair<double, double>>> polylines(const std::string& svg) {
  const std::string attribute = " points=\"";
  std::vector<std::vector<std::pair<double, double>>> all;
  for (size_t at = svg.find(attribute); at != std::string::npos; at = svg.find(attribute, at + 1)) {
    const size_t begin = at + attribute.size();
    std::istringstream points(svg.substr(begin, svg.find('"', begin) - begin));
    all.emplace_back();
    char comma = 0;
    for (double x = 0, y = 0; points >> x >> comma >> y;) all.back().emplace_back(x, y);
  }
  return all;
}

}  // namespace

TEST_CASE("html: text is escaped wherever it goes") {
  CHECK(escape("<a href=\"x\">&'</a>\x01\n") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;\\x01\\x0a");
  CHECK(preformatted("a\n\x01<").find("a\n\\x01&lt;") != std::string::npos);
  CHECK(escape("σ ≤ 2") == "σ ≤ 2");
  const std::string bad = "<script>";
  for (const std::string& html :
       {page(bad, ""), section(bad, ""), paragraph(bad), notice(bad), headline({{bad, bad, bad}}),
        table({bad}, {{bad}}), figure("", bad), image_figure("x", bad), details(bad, ""), preformatted(bad),
        line_chart({{bad, {1}, {1}}}, {bad, bad}), dot_chart({{bad, 1, 0}}, {bad, ""})}) {
    CHECK_THAT(html, !Contains(bad) && Contains("&lt;script&gt;"));
  }
}

TEST_CASE("html: base64 of every remainder (RFC 4648, section 10)") {
  const std::string prefix = "data:image/png;base64,";
  CHECK(png_data_uri("") == prefix);
  CHECK(png_data_uri("f") == prefix + "Zg==");
  CHECK(png_data_uri("fo") == prefix + "Zm8=");
  CHECK(png_data_uri("foo") == prefix + "Zm9v");
  CHECK(png_data_uri("foobar") == prefix + "Zm9vYmFy");
  CHECK(png_data_uri("\xff\xfe\xfd") == prefix + "//79");
}

TEST_CASE("html: a page stands alone: one stylesheet, no script, nothing fetched") {
  const std::string html =
      page("Report", section("Results", table({"name", "FID"}, {{"student", "7.4 ± 0.2"}})));
  CHECK_THAT(html, StartsWith("<!doctype html>") && EndsWith("</html>\n"));
  CHECK_THAT(html, Contains("prefers-color-scheme: dark") && Contains("@media print") &&
                       Contains("width=device-width"));
  CHECK_THAT(html, !Contains("<script") && !Contains("<link") && !Contains("url(") && !Contains("@import") &&
                       !Contains("src="));
}

TEST_CASE("html: numbers stand to the right, words to the left") {
  const std::string html =
      table({"name", "FID"}, {{"student", "7.4 ± 0.2"}, {"teacher", "−4.2"}, {"none", "-"}});
  CHECK_THAT(html, Contains("<th>name</th><th class=\"n\">FID</th>"));
  CHECK_THAT(html, Contains("<td>student</td><td class=\"n\">7.4 ± 0.2</td>"));
  CHECK_THAT(html, Contains("<td class=\"n\">−4.2</td>") && Contains("<td class=\"n\">-</td>"));
  CHECK_THAT(table({"a"}, {{"x"}, {"1"}, {"y", "spare"}, {}}),
             Contains("<th>a") && Contains("<td>1<") && Contains("spare"));
  CHECK_THAT(table({}, {}), Contains("<table>"));
}

TEST_CASE("charts: linear ticks are round and cover the range") {
  CHECK(linear_ticks(0, 10) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(linear_ticks(0.13, 0.97) == std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1.0});
  CHECK(linear_ticks(-1, 1).front() == -1);
  struct Range {
    double low, high;
  };
  for (const auto& [low, high] :
       {Range{3, 3}, Range{0, 0}, Range{-5, -5}, Range{1e-9, 3e-9}, Range{-1e9, 2e9}, Range{99.1, 99.2},
        Range{1, 1 + 1e-15}, Range{-1e300, 1e300}}) {
    const auto ticks = linear_ticks(low, high);
    INFO(low << " " << high);
    CHECK(ticks.size() >= 2);
    CHECK(ticks.size() <= 12);
    CHECK(ticks.front() <= low);
    CHECK(ticks.back() >= high);
  }
}

TEST_CASE("charts: logarithmic ticks are decades") {
  CHECK(log_ticks(1, 1000) == std::vector<double>{1, 10, 100, 1000});
  CHECK(log_ticks(2, 50) == std::vector<double>{1, 2, 5, 10, 20, 50, 100});
  CHECK(log_ticks(5, 5).size() >= 2);
  const auto many = log_ticks(1e-20, 1e20);
  CHECK(many.size() < 12);
  CHECK(many.back() >= 1e20);
}

TEST_CASE("charts: points lie where their values say, y upwards") {
  const auto lines = polylines(line_chart({{"loss", {0, 5, 10}, {0, 10, 5}}}, {"x", "y"}));
  REQUIRE(lines.size() == 1);
  REQUIRE(lines[0].size() == 3);
  const auto [x0, y0] = lines[0][0];
  const auto [x1, y1] = lines[0][1];
  const auto [x2, y2] = lines[0][2];
  CHECK(x1 - x0 == Approx(x2 - x1).margin(0.11));
  CHECK(y0 > y2);
  CHECK(y2 > y1);
  CHECK(y0 - y2 == Approx(y2 - y1).margin(0.11));
}

TEST_CASE("charts: a logarithmic axis spaces factors evenly and leaves out what it cannot show") {
  const auto lines = polylines(line_chart({{"loss", {1, 10, 100}, {1, 10, 100}}}, {"x", "y", true, true}));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0][1].first - lines[0][0].first == Approx(lines[0][2].first - lines[0][1].first).margin(0.11));
  CHECK(lines[0][0].second - lines[0][1].second ==
        Approx(lines[0][1].second - lines[0][2].second).margin(0.11));
  CHECK(polylines(line_chart({{"loss", {0, 1, 10}, {1, 1, -1}}}, {"x", "y", true, true})).at(0).size() == 1);
}

TEST_CASE("charts: NaN interrupts the line; nothing to show is no error") {
  CHECK(polylines(line_chart({{"loss", {1, 2, 3, 4, 5}, {1, 2, NAN, 4, INFINITY}}}, {"x", "y"})).size() == 2);
  for (const std::string& svg :
       {line_chart({}, {"x", "y"}), line_chart({{"a", {}, {}}}, {"x", "y", true, true}),
        line_chart({{"a", {NAN}, {1}}}, {"x", "y"})}) {
    CHECK_THAT(svg, Contains("no data") && !Contains("nan") && !Contains("inf"));
  }
  CHECK_THROWS_WITH(line_chart({{"a", {1, 2}, {1}}}, {}), Contains("'a' has other numbers of x and y"));
}

TEST_CASE("charts: a long series stays small and keeps its spike") {
  Series series{"loss", {}, {}};
  for (int i = 0; i < 100000; ++i)
    series.x.push_back(i), series.y.push_back(i == 54321 ? 100.0 : 1.0 + 0.001 * (i % 7));
  const std::string svg = line_chart({series}, {"x", "y"});
  CHECK(svg.size() < 60000);
  const auto points = polylines(svg).at(0);
  CHECK(points.size() < 4 * 720);
  const auto top =
      std::min_element(points.begin(), points.end(), [](auto& a, auto& b) { return a.second < b.second; });
  CHECK(top->second < 20);  // the tick at 100 is the top of the plot
}

TEST_CASE("charts: dots with error bars") {
  const std::string svg =
      dot_chart({{"teacher", 4.2, 0.5}, {"student", 7.4, 0}, {"broken", NAN, 1}}, {"FID", ""});
  CHECK_THAT(svg, Contains(">teacher<") && Contains("not a number"));
  const auto count = [&](const std::string& what) {
    size_t n = 0;
    for (size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++n;
    return n;
  };
  CHECK(count("<circle") == 2);
  CHECK(count("class=\"bar") == 1);
  CHECK_THAT(dot_chart({{"a", 1, 5}}, {"FID", "", true}), !Contains("nan") && Contains("<circle"));
  CHECK_THAT(dot_chart({}, {"FID", ""}), !Contains("nan"));
}
