// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

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

/// Counts as they are, other numbers in three digits.
std::string extra_text(double value) {
  return value == std::floor(value) && std::abs(value) < 1e9 ? io::format_count(std::llround(value))
                                                             : number_text(value);
}

/// "subsets mean 0.0023, subsets 100"
std::string extras(const MetricValue& metric) {
  std::string text;
  for (const auto& [name, value] : metric.extra)
    text += (text.empty() ? "" : ", ") + name_of(name) + " " + extra_text(value);
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

std::string beside(const MetricValue& metric) {
  return metric.value ? extras(metric) : "not measured: " + metric.reason;
}

std::string small_print(const std::string& text) {
  return text.empty() ? "" : "<dd><small>" + io::escape(text) + "</small></dd>\n";
}

/// A metric's definition, and for each subject what came out beside it or why nothing did; once where it is
/// the same for all, as parameters are.
std::string explanation(const Evaluation& evaluation, size_t i) {
  const auto text_of = [&](const Subject& subject) { return beside(subject.measured.values[i]); };
  const std::vector<Subject>& subjects = evaluation.subjects;
  const MetricInfo& info = metric_info(subjects.front().measured.values[i].key);
  const std::string html =
      "<dt>" + io::escape(info.title) + "</dt>\n<dd>" + io::escape(info.definition) + "</dd>\n";
  const std::string first = text_of(subjects.front());
  if (std::ranges::all_of(subjects, [&](const Subject& one) { return text_of(one) == first; }))
    return html + small_print(first);
  std::string lines;
  for (const Subject& subject : subjects)
    if (const std::string text = text_of(subject); !text.empty())
      lines += small_print(subject.name + ": " + text);
  return html + lines;
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
