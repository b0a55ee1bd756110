// SPDX-License-Identifier: Apache-2.0
#include "evaluation/number_text.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/html.h"
#include "io/progress.h"

namespace onestep {
namespace {

std::string name_of(std::string key) {
  for (char& c : key)
    if (c == '_') c = ' ';
  return key;
}

/// "subsets mean 0.0023, subsets 100"
std::string extras(const MetricValue& metric) {
  std::string text;
  for (const auto& [name, value] : metric.extra)
    text += (text.empty() ? "" : ", ") + name_of(name) + " " + number_text(value);
  return text;
}

/// Metrics in rows, subjects in columns.
std::string values(const Evaluation& evaluation) {
  Row header{"", "better", "N"}, fid{"FID", "↓"};
  const Subject& first = evaluation.subjects.front();
  fid.push_back(io::format_count(first.set.size()));
  for (const Subject& subject : evaluation.subjects) {
    header.push_back(subject.name);
    fid.push_back(fid_text(subject));
  }
  std::vector<Row> rows{fid};
  for (size_t i = 0; i < first.measured.values.size(); ++i) {
    const MetricInfo& info = metric_info(first.measured.values[i].key);
    Row row{info.title, info.higher_is_better ? "↑" : "↓", io::format_count(first.set.size())};
    for (const Subject& subject : evaluation.subjects) {
      const MetricValue& metric = subject.measured.values[i];
      row.push_back(metric.value ? value_and_error(*metric.value, metric.se) : "–");
    }
    rows.push_back(row);
  }
  return io::table(header, rows);
}

/// A metric's definition, and for each subject what came out beside it or why nothing did.
std::string explanation(const Evaluation& evaluation, size_t i) {
  const MetricInfo& info = metric_info(evaluation.subjects.front().measured.values[i].key);
  std::string html =
      "<dt>" + io::escape(info.title) + "</dt>\n<dd>" + io::escape(info.definition) + "</dd>\n";
  for (const Subject& subject : evaluation.subjects) {
    const MetricValue& metric = subject.measured.values[i];
    const std::string more = metric.value ? extras(metric) : "not measured: " + metric.reason;
    if (!more.empty()) html += "<dd><small>" + io::escape(subject.name + ": " + more) + "</small></dd>\n";
  }
  return html;
}

}  // namespace

Section metrics_section(const Evaluation& evaluation) {
  const size_t count = evaluation.subjects.front().measured.values.size();
  if (count == 0) return {};
  std::string definitions =
      "<dt>FID</dt>\n<dd>" +
      io::escape(
          "Fréchet distance (Heusel et al. 2017): ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂) − 2 tr (Σ₁Σ₂)^½ of the means and "
          "covariances of the features.") +
      "</dd>\n";
  for (size_t i = 0; i < count; ++i) definitions += explanation(evaluation, i);
  return {"metrics", "All metrics",
          values(evaluation) +
              io::paragraph("↓ lower is better, ↑ higher is better; ± is one standard error.") +
              io::details("What they are, with their parameters",
                          "<dl class=\"definitions\">\n" + definitions + "</dl>\n")};
}

}  // namespace onestep
