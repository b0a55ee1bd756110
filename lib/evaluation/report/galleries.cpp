// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report/galleries.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "data/loader.h"
#include "evaluation/number_text.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/pictures.h"
#include "pages/html.h"

namespace onestep {
namespace {

constexpr int64_t kMaxClasses = 24;  // rows of class_gallery

using Rows = std::vector<int64_t>;

Rows to_rows(const at::Tensor& indices) {
  const at::Tensor held = indices.contiguous();
  return Rows(held.const_data_ptr<int64_t>(), held.const_data_ptr<int64_t>() + held.numel());
}

/// The first `count` of an order of `values`.
Rows first_of(const at::Tensor& values, bool largest, int64_t count) {
  const at::Tensor order = values.argsort(/*stable=*/true, 0, largest);
  return to_rows(order.narrow(0, 0, std::min(count, order.size(0))));
}

/// Rows where `wanted` holds, the first `count` of them.
Rows first_where(const at::Tensor& wanted, int64_t count) {
  const at::Tensor rows = wanted.nonzero().flatten();
  return to_rows(rows.narrow(0, 0, std::min(count, rows.size(0))));
}

/// `count` of n in an order that the evaluation's seed fixes.
Rows chosen_by_seed(const Evaluation& evaluation, int64_t n, int64_t count) {
  Rows rows;
  for (int64_t i = 0; i < std::min(count, n); ++i)
    rows.push_back(shuffled_index(static_cast<uint64_t>(evaluation.config.seed), 0, i, n));
  return rows;
}

at::Tensor images_of(const at::Tensor& images, const Rows& rows) {
  return images.index_select(0, at::tensor(rows));
}

/// "Shirt", or "Shirt, seen as Coat" where the classifier disagrees with the label; "" where nothing is
/// known.
std::string classes_of(const Evaluation& evaluation, const FeatureSet& set, int64_t row) {
  const auto name = [&](const at::Tensor& classes) {
    return classes.defined() ? class_name(evaluation, classes[row].item<int64_t>()) : "";
  };
  const std::string label = name(set.labels), seen = name(set.predicted);
  if (label.empty()) return seen.empty() ? "" : "seen as " + seen;
  return seen.empty() || seen == label ? label : label + ", seen as " + seen;
}

/// Where the image comes from, and its classes.
std::vector<std::string> lines_of(const Evaluation& evaluation, const Subject& subject, int64_t row) {
  std::vector<std::string> lines{place_of(evaluation, subject, row)};
  if (const std::string classes = classes_of(evaluation, subject.set, row); !classes.empty())
    lines.push_back(classes);
  return lines;
}

std::string harmful_table(const Subject& subject, int64_t count) {
  std::vector<std::vector<std::string>> rows;
  for (const int64_t row : first_of(subject.score.influence, true, count))
    rows.push_back({std::to_string(row), number_text(subject.score.influence[row].item<double>())});
  return pages::table({"row of the file", "I(x)"}, rows);
}

/// One tile a row of the subject, with a text for each.
template <class Text>
std::string labelled(const Evaluation& evaluation, const Subject& subject, const Rows& rows,
                     const Text& text) {
  std::vector<Tile> shown;
  for (const int64_t row : rows)
    shown.push_back({{subject.set.images[row]}, text(row), lines_of(evaluation, subject, row)});
  return tiles(shown);
}

}  // namespace

std::string random_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  const at::Tensor& images = subject.set.images;
  if (!images.defined()) return "";
  const Rows rows = chosen_by_seed(evaluation, images.size(0), affordable(images, count));
  return pictures(images_of(images, rows), "random image of " + subject.name);
}

std::string class_gallery(const Evaluation& evaluation, const Subject& subject, int64_t columns) {
  const FeatureSet& set = subject.set;
  const at::Tensor& classes = set.labels.defined() ? set.labels : set.predicted;
  if (!set.images.defined() || !classes.defined()) return "";
  const int64_t shown = std::min(classes.max().item<int64_t>() + 1, kMaxClasses);
  columns = std::min(columns, std::max<int64_t>(2, affordable(set.images, 120) / shown));
  std::string rows;
  for (int64_t k = 0; k < shown; ++k) {
    const Rows chosen = first_where(classes == k, columns);
    if (chosen.empty()) continue;
    const std::string name = class_name(evaluation, k);
    rows += "<span>" + pages::escape(name) + "</span>" +
            pictures(images_of(set.images, chosen), name + " by " + subject.name);
  }
  return "<div class=\"classes\">" + rows + "</div>\n";
}

std::string harmful_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  const at::Tensor& influence = subject.score.influence;
  if (!influence.defined()) return "";
  if (!subject.set.images.defined()) return harmful_table(subject, count);
  return labelled(evaluation, subject, first_of(influence, true, affordable(subject.set.images, count)),
                  [&](int64_t row) { return number_text(influence[row].item<double>()); });
}

std::string sparse_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  if (!subject.measured.neighbourhood || !subject.set.images.defined()) return "";
  const at::Tensor& balls = subject.measured.neighbourhood->balls;
  return labelled(evaluation, subject, first_of(balls, false, affordable(subject.set.images, count)),
                  [&](int64_t row) {
                    const auto n = balls[row].item<int64_t>();
                    return n == 0 ? std::string("in none") : "in " + std::to_string(n);
                  });
}

std::string uncovered_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  const FeatureSet& real = evaluation.reference.set;
  if (!subject.measured.neighbourhood || !real.images.defined()) return "";
  const Rows all = first_where(subject.measured.neighbourhood->contained == 0, real.size());
  std::vector<Tile> shown;
  for (const int64_t i :
       chosen_by_seed(evaluation, static_cast<int64_t>(all.size()), affordable(real.images, count))) {
    const int64_t row = all[static_cast<size_t>(i)];
    shown.push_back({{real.images[row]}, "", {"image " + std::to_string(row)}});
    if (const std::string classes = classes_of(evaluation, real, row); !classes.empty())
      shown.back().lines.push_back(classes);
  }
  return shown.empty() ? "" : tiles(shown);
}

std::string nearest_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  const FeatureSet& real = evaluation.reference.set;
  if (!subject.measured.nearest || !subject.set.images.defined() || !real.images.defined()) return "";
  const at::Tensor ratio = nearest_ratio(*subject.measured.nearest);
  std::vector<Tile> shown;
  for (const int64_t row : first_of(ratio, false, affordable(subject.set.images, count))) {
    const int64_t other = subject.measured.nearest->index[row].item<int64_t>();
    shown.push_back({{subject.set.images[row], real.images[other]},
                     number_text(ratio[row].item<double>()),
                     {place_of(evaluation, subject, row) + " | reference " + std::to_string(other)}});
  }
  return tiles(shown);
}

std::string duplicate_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  const at::Tensor& images = subject.set.images;
  if (!images.defined() || subject.validity.duplicates.value_or(0) == 0) return "";
  std::vector<Tile> shown;
  for (const auto& [row, earlier] : duplicate_pairs(images, affordable(images, count)))
    shown.push_back({{images[earlier], images[row]},
                     "",
                     {place_of(evaluation, subject, earlier) + " = " + place_of(evaluation, subject, row)}});
  return tiles(shown);
}

std::string paired_gallery(const Evaluation& evaluation, bool worse, int64_t count) {
  const at::Tensor difference = paired_difference(evaluation);
  const Subject &first = evaluation.subjects.front(), *baseline = baseline_of(evaluation);
  if (!difference.defined() || !first.set.images.defined() || !baseline->set.images.defined()) return "";
  std::vector<Tile> shown;
  for (const int64_t row : first_of(difference, worse, affordable(first.set.images, count))) {
    const double value = difference[row].item<double>();
    std::vector<std::string> lines{place_of(evaluation, first, row)};
    if (first.set.labels.defined())
      lines.push_back(class_name(evaluation, first.set.labels[row].item<int64_t>()));
    shown.push_back({{first.set.images[row], baseline->set.images[row]},
                     std::string(value > 0 ? "+" : "") + number_text(value),
                     lines});
  }
  return tiles(shown);
}

std::string direction_gallery(const Evaluation& evaluation, const Direction& direction, int64_t count) {
  const FeatureSet &set = evaluation.subjects.front().set, &real = evaluation.reference.set;
  if (!set.images.defined()) return "";
  const DirectionFacts facts = direction_facts(evaluation, direction);
  const auto strip = [&](const std::string& name, const at::Tensor& images, const at::Tensor& places,
                         bool largest) {
    return "<small>" + name + "</small>" +
           pictures(images_of(images, first_of(places, largest, affordable(images, count))), name);
  };
  std::string html;
  for (const bool largest : {false, true}) {
    html += largest ? "<div><b>right end</b>" : "<div><b>left end</b>";
    html += strip("generated", set.images, facts.generated, largest);
    if (real.images.defined() && facts.reference.defined())
      html += strip("reference", real.images, facts.reference, largest);
    html += "</div>\n";
  }
  return "<div class=\"ends\">" + html + "</div>\n";
}

}  // namespace onestep
