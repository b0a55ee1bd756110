// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "evaluation/number_text.h"
#include "evaluation/report.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/html_parts.h"
#include "io/progress.h"

namespace onestep {

std::string verdict_sentence(const Evaluation& evaluation) {
  const Subject* baseline = baseline_of(evaluation);
  if (!baseline || !evaluation.verdict) return "";
  const Verdict& verdict = *evaluation.verdict;
  const Subject& first = evaluation.subjects.front();
  const std::string against = baseline->name + " (" + fid_text(*baseline) + ")";
  const std::string gap = value_and_error(std::abs(verdict.gap), verdict.se);
  if (verdict.outcome == Outcome::inconclusive)
    return "A gap of " + gap + " to " + against + " is inconclusive: it is below " +
           (verdict.within_noise ? "2 standard errors."
                                 : "1.3 % of FID, what a training seed alone is worth.");
  std::string text =
      "FID is " + gap + " " + (verdict.gap < 0 ? "lower" : "higher") + " than that of " + against;
  if (first.set.nfe && baseline->set.nfe && *first.set.nfe < *baseline->set.nfe)
    text += ", with " + io::format_count(*first.set.nfe) + " network evaluation" +
            (*first.set.nfe == 1 ? "" : "s") + " an image instead of " + io::format_count(*baseline->set.nfe);
  if (!verdict.se) text += " (no standard error: N ≤ d)";
  return text + ".";
}

namespace {

/// Columns side by side, counted in characters and not bytes: "±" and "−" are one.
std::string aligned(const std::vector<Row>& rows) {
  const auto length = [](const std::string& text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::vector<int64_t> widths(rows[0].size(), 0);
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max<int64_t>(widths[i], length(row[i]));
  std::string text;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(static_cast<size_t>(widths[i] - length(row[i])), ' ');
      text += (i == 0 ? row[i] + space : "  " + space + row[i]);
    }
    text += "\n";
  }
  return text;
}

/// What was asked for beside FID: a row a metric, a column a subject, or why there is no value.
std::string metrics_table(const Evaluation& evaluation) {
  const std::vector<MetricValue>& asked = evaluation.subjects.front().measured.values;
  if (asked.empty()) return "";
  Row header{""};
  for (const Subject& subject : evaluation.subjects) header.push_back(subject.name);
  std::vector<Row> rows{header};
  for (size_t i = 0; i < asked.size(); ++i) {
    Row row{metric_info(asked[i].key).title};
    for (const Subject& subject : evaluation.subjects) {
      const MetricValue& metric = subject.measured.values[i];
      row.push_back(metric.value ? value_and_error(*metric.value, metric.se) : "- (" + metric.reason + ")");
    }
    rows.push_back(row);
  }
  return aligned(rows);
}

}  // namespace

std::string summary_table(const Evaluation& evaluation) {
  std::vector<Row> rows{{"", "NFE", "FID", "N"}};
  for (const Subject& subject : evaluation.subjects)
    rows.push_back({subject.name, subject.set.nfe ? std::to_string(*subject.set.nfe) : "-", fid_text(subject),
                    subject.set.size() > 0 ? std::to_string(subject.set.size()) : "-"});
  return aligned(rows) + metrics_table(evaluation);
}

}  // namespace onestep
