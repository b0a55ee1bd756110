// SPDX-License-Identifier: Apache-2.0
#include "evaluation/galleries.h"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "data/loader.h"
#include "evaluation/number_text.h"
#include "io/html.h"
#include "io/image.h"
#include "io/progress.h"

namespace onestep {
namespace {

constexpr int64_t kCell = 56;  // pixels a small image is blown up to, so that a dense screen shows it sharp
constexpr int64_t kMaxClasses = 24;  // rows of class_gallery

std::string png(const at::Tensor& images, int64_t columns) {
  const int64_t rows = (images.size(0) + columns - 1) / columns;
  const int64_t zoom = std::max<int64_t>(1, kCell / std::max(images.size(2), images.size(3)));
  return io::png_data_uri(io::encode_png(io::image_grid(images, rows, columns, /*gap=*/zoom, zoom)));
}

std::string picture(const at::Tensor& images, int64_t columns, const std::string& text) {
  return "<img alt=\"" + io::escape(text) + "\" src=\"" + png(images, columns) + "\">";
}

/// Rows of `values` that hold `wanted`, the first `count` of them.
at::Tensor first_rows(const at::Tensor& values, int64_t wanted, int64_t count) {
  const at::Tensor rows = (values == wanted).nonzero().flatten();
  return rows.narrow(0, 0, std::min(count, rows.size(0)));
}

at::Tensor worst_rows(const Subject& subject, int64_t count) {
  const at::Tensor order = subject.score.influence.argsort(0, /*descending=*/true);
  return order.narrow(0, 0, std::min(count, order.size(0)));
}

std::string harmful_table(const Subject& subject, int64_t count) {
  std::vector<std::vector<std::string>> rows;
  const at::Tensor worst = worst_rows(subject, count);
  for (int64_t i = 0; i < worst.size(0); ++i) {
    const int64_t row = worst[i].item<int64_t>();
    rows.push_back({std::to_string(row), number_text(subject.score.influence[row].item<double>())});
  }
  return io::table({"row of the file", "I(x)"}, rows);
}

}  // namespace

std::string galleries_style() {
  return R"(
.pictures img, .classes img, .tiles img { image-rendering: pixelated; max-width: 100%; height: auto; display: block; border-radius: 4px; }
.classes { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px .9rem; align-items: center; }
.classes span { font-size: .9rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: .9rem .7rem; margin: 1rem 0; }
.tiles figure { margin: 0; } .tiles img { width: 56px; }
.tiles b { display: block; color: var(--fg); font-weight: 600; font-variant-numeric: tabular-nums; margin-top: .25rem; }
.tiles small { display: block; color: var(--soft); line-height: 1.35; font-size: .8rem; }
@media (max-width: 30rem) { .classes { grid-template-columns: 1fr; } .classes span { margin-top: .4rem; } }
)";
}

std::string random_gallery(const Subject& subject, int64_t seed, int64_t count, int64_t columns) {
  if (!subject.set.images.defined()) return "";
  std::vector<int64_t> chosen;
  const int64_t n = subject.set.size();
  for (int64_t i = 0; i < std::min(count, n); ++i)
    chosen.push_back(shuffled_index(static_cast<uint64_t>(seed), 0, i, n));
  return "<div class=\"pictures\">" +
         picture(subject.set.images.index_select(0, at::tensor(chosen)), columns,
                 "random images of " + subject.name) +
         "</div>\n";
}

std::string class_gallery(const Evaluation& evaluation, const Subject& subject, int64_t columns) {
  const FeatureSet& set = subject.set;
  if (!set.images.defined()) return "";
  const at::Tensor& classes = set.labels.defined() ? set.labels : set.predicted;
  const int64_t highest = std::min(classes.max().item<int64_t>() + 1, kMaxClasses);
  std::string rows;
  for (int64_t k = 0; k < highest; ++k) {
    const at::Tensor chosen = first_rows(classes, k, columns);
    if (chosen.size(0) == 0) continue;
    const std::string name = class_name(evaluation, k);
    rows += "<span>" + io::escape(name) + "</span>" +
            picture(set.images.index_select(0, chosen), columns, name + " by " + subject.name) + "\n";
  }
  return "<div class=\"classes\">" + rows + "</div>\n";
}

std::string harmful_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count) {
  const FeatureSet& set = subject.set;
  if (!set.images.defined()) return harmful_table(subject, count);
  const at::Tensor worst = worst_rows(subject, count);
  std::string tiles;
  for (int64_t i = 0; i < worst.size(0); ++i) {
    const int64_t row = worst[i].item<int64_t>();
    const std::string place = (subject.kind == ModelSubject::kind ? "seed " : "image ") + std::to_string(row);
    const std::string seen = "seen as " + class_name(evaluation, set.predicted[row].item<int64_t>());
    const std::string asked = set.labels.defined()
                                  ? (subject.kind == ModelSubject::kind ? "asked: " : "label: ") +
                                        class_name(evaluation, set.labels[row].item<int64_t>())
                                  : "";
    const std::string value = number_text(subject.score.influence[row].item<double>());
    tiles += "<figure>" + picture(set.images.narrow(0, row, 1), 1, place + ", I(x) = " + value) + "<b>" +
             io::escape(value) + "</b><small>" + io::escape(place) + "</small>" +
             (asked.empty() ? "" : "<small>" + io::escape(asked) + "</small>") + "<small>" +
             io::escape(seen) + "</small></figure>\n";
  }
  return "<div class=\"tiles\">" + tiles + "</div>\n";
}

std::string class_name(const Evaluation& evaluation, int64_t index) {
  if (index >= 0 && index < static_cast<int64_t>(evaluation.class_names.size()))
    return evaluation.class_names[static_cast<size_t>(index)];
  return "class " + std::to_string(index);
}

}  // namespace onestep
