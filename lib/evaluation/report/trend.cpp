// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "evaluation/number_text.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"
#include "pages/svg_chart.h"

namespace onestep {
namespace {

std::string chart(const std::vector<TrendPoint>& trend, const TrendPoint& best) {
  pages::Series line{.name = "FID of the model kept then", .x = {}, .y = {}, .has_dots = true};
  for (const TrendPoint& point : trend) {
    line.x.push_back(static_cast<double>(point.nimg));
    line.y.push_back(point.fid);
    line.error.push_back(point.se.value_or(0.0));
  }
  const pages::Series mark{.name = "best: " + value_and_error(best.fid, best.se) + " after " +
                                   io::format_count(best.nimg) + " images",
                           .x = {static_cast<double>(best.nimg)},
                           .y = {best.fid},
                           .has_line = false,
                           .has_dots = true};
  return pages::line_chart({line, mark}, {.x_label = "training images", .y_label = "FID"});
}

/// A minimum among neighbours within noise of it is luck as much as merit.
std::string caution(const std::vector<TrendPoint>& trend, const TrendPoint& best) {
  const auto rivals = std::ranges::count_if(trend, [&](const TrendPoint& point) {
    return &point != &best &&
           judge({point.fid, point.se}, {best.fid, best.se}).outcome == Outcome::inconclusive;
  });
  if (rivals == 0) return "";
  return counted(rivals, "other model") + (rivals == 1 ? " is" : " are") +
         " not clearly worse than the best: the choice among them is partly luck.";
}

}  // namespace

Section trend_section(const Evaluation& evaluation) {
  const std::vector<TrendPoint>& trend = evaluation.trend;
  if (trend.empty()) return {};
  const TrendPoint& best = *std::ranges::min_element(trend, {}, &TrendPoint::fid);
  std::vector<Row> rows;
  for (const TrendPoint& point : trend)
    rows.push_back({io::format_count(point.nimg), value_text(point.fid, point.se),
                    point.se ? number_text(*point.se, 2) : "–", &point == &best ? "best" : ""});
  const std::string text = caution(trend, best);
  return {
      "trend", "Along the training run",
      chart_figure(chart(trend, best), "FID of each model that the run " + evaluation.config.trend +
                                           " kept, on the same seeds, with one standard error each way.") +
          (text.empty() ? "" : pages::paragraph(text)) +
          pages::details("The numbers", pages::table({"training images", "FID", "SE", ""}, rows))};
}

}  // namespace onestep
