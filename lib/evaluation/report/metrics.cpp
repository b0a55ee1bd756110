// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>

#include "evaluation/number_text.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"

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

bool is_measured(const Evaluation& evaluation, size_t i) {
  return std::ranges::any_of(evaluation.subjects, [&](const Subject& subject) {
    return subject.measured.values[i].value.has_value();
  });
}

/// Metrics in rows, subjects in columns; those that no subject has are left out.
std::string values(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  Row header{"", "better"}, n{"samples N", ""}, fid{"FID", "↓"};
  for (const Subject& subject : evaluation.subjects) {
    header.push_back(subject.name);
    n.push_back(subject.set.size() > 0 ? io::format_count(subject.set.size()) : "–");
    fid.push_back(fid_text(subject));
  }
  std::vector<Row> rows{n, fid};
  for (size_t i = 0; i < first.measured.values.size(); ++i) {
    if (!is_measured(evaluation, i)) continue;
    const MetricInfo& info = metric_info(first.measured.values[i].key);
    Row row{info.title, info.higher_is_better ? "↑" : "↓"};
    for (const Subject& subject : evaluation.subjects) {
      const MetricValue& metric = subject.measured.values[i];
      row.push_back(metric.value ? value_and_error(*metric.value, metric.se) : "–");
    }
    rows.push_back(row);
  }
  return pages::table(header, rows);
}

/// What was asked for and no subject has, by reason.
std::string missing(const Evaluation& evaluation) {
  const std::vector<MetricValue>& metrics = evaluation.subjects.front().measured.values;
  std::map<std::string, std::string> names;
  for (size_t i = 0; i < metrics.size(); ++i) {
    if (is_measured(evaluation, i)) continue;
    std::string& list = names[metrics[i].reason];
    list += (list.empty() ? "" : ", ") + metric_info(metrics[i].key).title;
  }
  std::string html;
  for (const auto& [reason, list] : names)
    html += pages::paragraph("Not measured: " + list + " (" + reason + ").");
  return html;
}

std::string beside(const MetricValue& metric) {
  return metric.value ? extras(metric) : "not measured: " + metric.reason;
}

std::string small_print(const std::string& text) {
  return text.empty() ? "" : "<dd><small>" + pages::escape(text) + "</small></dd>\n";
}

/// A metric's definition, and for each subject what came out beside it or why nothing did; once where it is
/// the same for all, as parameters are.
std::string explanation(const Evaluation& evaluation, size_t i) {
  const auto text_of = [&](const Subject& subject) { return beside(subject.measured.values[i]); };
  const std::vector<Subject>& subjects = evaluation.subjects;
  const MetricInfo& info = metric_info(subjects.front().measured.values[i].key);
  const std::string html =
      "<dt>" + pages::escape(info.title) + "</dt>\n<dd>" + pages::escape(info.definition) + "</dd>\n";
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
      pages::escape(
          "Fréchet distance (Heusel et al. 2017): ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂) − 2 tr (Σ₁Σ₂)^½ of the means and "
          "covariances of the features.") +
      "</dd>\n";
  for (size_t i = 0; i < count; ++i) definitions += explanation(evaluation, i);
  return {"metrics", "All metrics",
          values(evaluation) + missing(evaluation) +
              pages::paragraph("↓ lower is better, ↑ higher is better; ± is one standard error.") +
              pages::details("What they are, with their parameters",
                             "<dl class=\"definitions\">\n" + definitions + "</dl>\n")};
}

}  // namespace onestep
