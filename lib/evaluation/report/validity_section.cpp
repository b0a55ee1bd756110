// SPDX-License-Identifier: Apache-2.0
#include "evaluation/number_text.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"

namespace onestep {
namespace {

/// What is known of one set, the headline's, another's or the reference.
struct Column {
  std::string name;
  const FeatureSet& set;
  const Validity& validity;
  int64_t rank;
  std::string method;
  std::optional<double> equality_bias;
};

std::vector<Column> columns_of(const Evaluation& evaluation) {
  std::vector<Column> columns;
  for (const Subject& subject : evaluation.subjects)
    columns.push_back({subject.name, subject.set, subject.validity, subject.score.rank, subject.score.method,
                       subject.score.equality_bias});
  const Reference& reference = evaluation.reference;
  columns.push_back(
      {"reference", reference.set, reference.validity, reference.law.rank, reference.law.method, {}});
  return columns;
}

std::string size_text(const FeatureSet& set) {
  if (set.size() <= 0) return "not known";
  return io::format_count(set.size()) + (set.size() > set.width() ? "" : " (too few)");
}

std::string format_text(const FeatureSet& set) {
  if (!set.images.defined()) return "–";
  const at::Tensor& images = set.images;
  return std::to_string(images.size(1)) + " × " + std::to_string(images.size(2)) + " × " +
         std::to_string(images.size(3)) + ", 8 bits";
}

/// A fact in a row of its own: the same question to every set.
struct Fact {
  std::string name;
  std::string (*of)(const Column&);
};

const std::vector<Fact>& facts() {
  static const std::vector<Fact> table{
      {"samples N", [](const Column& c) { return size_text(c.set); }},
      {"features d", [](const Column& c) { return io::format_count(c.set.width()); }},
      {"rank of Σ", [](const Column& c) { return io::format_count(c.rank); }},
      {"images, C × H × W", [](const Column& c) { return format_text(c.set); }},
      {"duplicates", [](const Column& c) { return count_or_dash(c.validity.duplicates); }},
      {"images of one colour", [](const Column& c) { return count_or_dash(c.validity.constant_images); }},
      {"class right", [](const Column& c) { return or_dash(c.validity.class_accuracy, percent_text); }},
      {"FID of equal laws at this N",
       [](const Column& c) { return c.equality_bias ? number_text(*c.equality_bias, 2) : std::string("–"); }},
      {"covariance root", [](const Column& c) { return c.method; }},
  };
  return table;
}

/// Facts in rows, sets in columns; a fact that no set has is left out.
std::string validity_table(const Evaluation& evaluation) {
  const std::vector<Column> columns = columns_of(evaluation);
  Row header{""};
  for (const Column& column : columns) header.push_back(column.name);
  std::vector<Row> rows;
  for (const Fact& fact : facts()) {
    Row row{fact.name};
    bool known = false;
    for (const Column& column : columns) {
      row.push_back(fact.of(column));
      known = known || row.back() != "–";
    }
    if (known) rows.push_back(row);
  }
  return pages::table(header, rows);
}

}  // namespace

Section validity_section(const Evaluation& evaluation) {
  const FeatureSet& reference = evaluation.reference.set;
  const std::string n = reference.size() > 0 ? io::format_count(reference.size()) : "not known";
  return {"validity", "Validity",
          validity_table(evaluation) + heading("Reference") + "<div class=\"wide\">" +
              pages::table({}, {{"name", reference.source}, {"N", n}, {"SHA-256", reference.sha256}}) +
              "</div>\n" + heading("To be kept in mind") + list(evaluation.notes)};
}

}  // namespace onestep
