// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "evaluation/number_text.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"

namespace onestep {
namespace {

constexpr size_t kMaxRows = 50;

/// A column: its name, how a cell's text and the length of its bar (before scaling) come about.
struct Column {
  std::string name;
  std::optional<double> (*value)(const ClassFacts&);
  std::string (*text)(const ClassFacts&);
  const char* style;
  bool is_frequency = false;
};

std::string share_text(const std::optional<double>& share) {
  return share ? percent_text(*share) : "–";
}

const std::vector<Column>& columns() {
  static const std::vector<Column> table{
      {"asked for", [](const ClassFacts& c) { return c.asked; },
       [](const ClassFacts& c) { return share_text(c.asked); }, "s3", true},
      {"seen", [](const ClassFacts& c) { return c.seen; },
       [](const ClassFacts& c) { return share_text(c.seen); }, "s0", true},
      {"in the reference", [](const ClassFacts& c) { return c.reference; },
       [](const ClassFacts& c) { return share_text(c.reference); }, "s3", true},
      {"class right", [](const ClassFacts& c) { return c.right; },
       [](const ClassFacts& c) { return share_text(c.right); }, "s2"},
      {"mean influence",
       [](const ClassFacts& c) { return c.influence ? std::optional(c.influence->value) : std::nullopt; },
       [](const ClassFacts& c) {
         return c.influence ? value_and_error(c.influence->value, c.influence->se) : "–";
       },
       "s1"},
  };
  return table;
}

bool is_known(const std::vector<ClassFacts>& classes, const Column& column) {
  return std::ranges::any_of(classes, [&](const ClassFacts& one) { return column.value(one).has_value(); });
}

/// The value whose bar fills a cell. The three kinds of frequency share one, so that their bars compare.
double largest(const std::vector<ClassFacts>& classes, const Column& column) {
  double size = 0;
  for (const ClassFacts& one : classes) {
    size = std::max(size, std::abs(column.value(one).value_or(0.0)));
    if (column.is_frequency)
      for (const auto& other : {one.asked, one.seen, one.reference})
        size = std::max(size, other.value_or(0.0));
  }
  return size;
}

/// The headline's classes with a small bar in every cell, on one scale a column.
std::string table(const Evaluation& evaluation, const std::vector<ClassFacts>& classes) {
  std::vector<std::string> header{"class"};
  std::vector<Row> rows;
  for (const ClassFacts& one : classes) rows.push_back({pages::escape(class_name(evaluation, one.index))});
  for (const Column& column : columns()) {
    if (!is_known(classes, column)) continue;
    header.push_back(column.name);
    const double scale = largest(classes, column);
    for (size_t i = 0; i < classes.size(); ++i)
      rows[i].push_back(bar_cell(column.text(classes[i]),
                                 scale > 0 ? column.value(classes[i]).value_or(0.0) / scale : 0.0,
                                 column.style));
  }
  return html_table(header, {}, rows);
}

/// Share of each class that the classifier sees in every set.
std::string all_sets(const Evaluation& evaluation, const std::vector<ClassFacts>& classes) {
  Row header{"class seen"};
  std::vector<const Validity*> sets;
  const auto add = [&](const std::string& name, const Validity& validity) {
    if (validity.class_counts.empty()) return;
    header.push_back(name);
    sets.push_back(&validity);
  };
  for (const Subject& subject : evaluation.subjects) add(subject.name, subject.validity);
  add("reference", evaluation.reference.validity);
  if (sets.size() < 2) return "";
  std::vector<Row> rows;
  for (const ClassFacts& one : classes) {
    Row row{class_name(evaluation, one.index)};
    for (const Validity* set : sets) {
      int64_t all = 0;
      for (const int64_t count : set->class_counts) all += count;
      const auto k = static_cast<size_t>(one.index);
      const int64_t count = k < set->class_counts.size() ? set->class_counts[k] : 0;
      row.push_back(percent_text(all > 0 ? static_cast<double>(count) / static_cast<double>(all) : 0.0));
    }
    rows.push_back(row);
  }
  return pages::details("Classes seen in every set", pages::table(header, rows));
}

}  // namespace

Section classes_section(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  std::vector<ClassFacts> classes = class_facts(evaluation, first);
  if (classes.empty()) return {};
  const size_t all = classes.size();
  const auto harm = [](const ClassFacts& one) { return one.influence ? one.influence->value : -INFINITY; };
  std::ranges::stable_sort(classes, std::greater{}, harm);
  if (all > kMaxRows) classes.resize(kMaxRows);
  std::string text = "The classes of " + first.name + ", the most harmful to FID first.";
  if (all > kMaxRows)
    text += " Only " + std::to_string(kMaxRows) + " of " + io::format_count(static_cast<int64_t>(all)) +
            " are shown.";
  if (first.score.influence.defined())
    text +=
        " A class whose mean influence is above 0 by more than twice its error raises FID more than others "
        "do.";
  return {"classes", "Classes",
          pages::paragraph(text) + table(evaluation, classes) + all_sets(evaluation, classes)};
}

}  // namespace onestep
