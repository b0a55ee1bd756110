// SPDX-License-Identifier: Apache-2.0
#include "evaluation/number_text.h"
#include "evaluation/remarks.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/published.h"
#include "evaluation/report/sections.h"
#include "pages/html.h"
#include "pages/svg_chart.h"

namespace onestep {
namespace {

/// The side of the headline's images where published FIDs are about such; 0 otherwise.
int64_t published_resolution(const Evaluation& evaluation) {
  const at::Tensor& images = evaluation.subjects.front().set.images;
  if (!is_published_inception(evaluation) || !images.defined()) return 0;
  const int64_t side = images.size(2);
  return images.size(1) == 3 && side == images.size(3) && !published_data(side).empty() ? side : 0;
}

}  // namespace

Section published_section(const Evaluation& evaluation) {
  const int64_t resolution = published_resolution(evaluation);
  if (resolution == 0) return {};
  const Subject& first = evaluation.subjects.front();
  std::vector<pages::Dot> dots{{chart_name(first.name), first.score.fid.value, first.score.se.value_or(0.0)}};
  std::vector<Row> rows;
  for (const PublishedFid& one : published_fids()) {
    if (one.resolution != resolution) continue;
    dots.push_back({one.method + ", " + one.setting, one.fid, 0});
    rows.push_back({one.method, one.setting, number_text(one.fid, 4), one.source});
  }
  const bool log = first.score.fid.value > 20;
  const std::string caution =
      "One-step generators of " + published_data(resolution) +
      " as their authors report them: the smallest of three sets of 50,000 images against the whole training "
      "set (EDM protocol). " +
      (evaluation.departures.empty()
           ? "They compare with this evaluation where its reference is that training set."
           : "This evaluation departs from that protocol: no fair comparison.");
  return {"published", "Published FIDs",
          chart_figure(pages::dot_chart(
                           dots, {.x_label = log ? "FID (logarithmic)" : "FID", .y_label = "", .log_x = log}),
                       caution) +
              pages::details("where these numbers come from",
                             pages::table({"method", "setting", "FID", "source"}, rows))};
}

}  // namespace onestep
