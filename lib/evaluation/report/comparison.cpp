// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "evaluation/number_text.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"
#include "pages/svg_chart.h"

namespace onestep {
namespace {

std::string chart(const Evaluation& evaluation) {
  std::vector<pages::Dot> dots;
  double low = INFINITY, high = 0;
  for (const Subject& subject : evaluation.subjects) {
    const double fid = subject.score.fid.value;
    dots.push_back({chart_name(subject.name), fid, subject.score.se.value_or(0.0)});
    low = std::min(low, fid), high = std::max(high, fid);
  }
  if (dots.size() < 2) return "";
  const bool log = low > 0 && high > 20 * low;
  return chart_figure(
      pages::dot_chart(dots, {.x_label = log ? "FID (logarithmic)" : "FID", .y_label = "", .log_x = log}),
      "FID with one standard error each way. A bar shorter than its dot does not show.");
}

/// Images a second of a generator; "–" for what was not drawn.
std::string rate_text(const FeatureSet& set) {
  if (!set.nfe || set.image_seconds <= 0) return "–";
  const double rate = static_cast<double>(set.size()) / set.image_seconds;
  return rate < 100 ? number_text(rate) : io::format_count(std::llround(rate));
}

}  // namespace

Section comparison_section(const Evaluation& evaluation) {
  if (evaluation.subjects.size() < 2) return {};
  std::vector<Row> rows;
  for (const Subject& subject : evaluation.subjects) {
    const FeatureSet& set = subject.set;
    rows.push_back({subject.name, value_text(subject.score.fid.value, subject.score.se),
                    subject.score.se ? number_text(*subject.score.se, 2) : "–", count_or_dash(set.nfe),
                    set.size() > 0 ? io::format_count(set.size()) : "–",
                    or_dash(subject.validity.class_accuracy, percent_text), rate_text(set)});
  }
  const std::string text =
      "The standard error (SE) comes from the influence of each sample on FID. NFE counts network "
      "evaluations an image. “Class right” is the share that the classifier sees as the class asked for, or "
      "as the label. Images/s is for drawing the images on this machine.";
  return {"comparison", "Comparison",
          chart(evaluation) + pages::table({"", "FID", "SE", "NFE", "N", "class right", "images/s"}, rows) +
              pages::paragraph(text)};
}

}  // namespace onestep
