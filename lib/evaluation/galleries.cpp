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

constexpr int64_t kMaxClasses = 24;  // rows of class_gallery

/// The side on the page, in CSS pixels: small images grow by a whole factor, large ones shrink.
int64_t shown_width(int64_t width) {
  constexpr int64_t kSmall = 56, kLarge = 128;
  return width < kSmall ? width * ((kSmall + width / 2) / width) : std::min(width, kLarge);
}

/// One image [C, H, W] at its own resolution: the browser enlarges it, and lays rows out to suit its window.
std::string picture(const at::Tensor& image, const std::string& text) {
  return "<img alt=\"" + io::escape(text) + "\" width=\"" + std::to_string(shown_width(image.size(2))) +
         "\" src=\"" + io::png_data_uri(io::encode_png(image)) + "\">";
}

/// Images [N, C, H, W] side by side.
std::string pictures(const at::Tensor& images, const std::string& text) {
  std::string html;
  for (int64_t i = 0; i < images.size(0); ++i) html += picture(images[i], text);
  return "<div class=\"pictures\">" + html + "</div>\n";
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

/// "Shirt", or "Shirt, seen as Coat" where the classifier disagrees with the label.
std::string classes_of(const Evaluation& evaluation, const FeatureSet& set, int64_t row) {
  const auto name = [&](const at::Tensor& classes) {
    return class_name(evaluation, classes[row].item<int64_t>());
  };
  const std::string seen = name(set.predicted);
  if (!set.labels.defined()) return "seen as " + seen;
  const std::string label = name(set.labels);
  return label == seen ? label : label + ", seen as " + seen;
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
.pictures { display: flex; flex-wrap: wrap; gap: 3px; margin: .5rem 0; }
.pictures img, .tiles img { image-rendering: pixelated; height: auto; display: block; border-radius: 3px; }
.classes { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px .9rem; align-items: center; }
.classes span { font-size: .9rem; } .classes .pictures { margin: 0; max-height: 3.6rem; overflow: hidden; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: .9rem .7rem; margin: 1rem 0; }
.tiles figure { margin: 0; }
.tiles b { display: block; color: var(--fg); font-weight: 600; font-variant-numeric: tabular-nums; margin-top: .25rem; }
.tiles small { display: block; color: var(--soft); line-height: 1.35; font-size: .8rem; }
@media (max-width: 30rem) { .classes { grid-template-columns: 1fr; } .classes span { margin-top: .4rem; }
  .classes .pictures { max-height: none; } }
)";
}

std::string random_gallery(const Subject& subject, int64_t seed, int64_t count) {
  if (!subject.set.images.defined()) return "";
  std::vector<int64_t> chosen;
  const int64_t n = subject.set.size();
  for (int64_t i = 0; i < std::min(count, n); ++i)
    chosen.push_back(shuffled_index(static_cast<uint64_t>(seed), 0, i, n));
  return pictures(subject.set.images.index_select(0, at::tensor(chosen)), "random image of " + subject.name);
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
            pictures(set.images.index_select(0, chosen), name + " by " + subject.name);
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
    const std::string classes = classes_of(evaluation, set, row);
    const std::string value = number_text(subject.score.influence[row].item<double>());
    tiles += "<figure>" + picture(set.images[row], place + ", I(x) = " + value) + "<b>" + io::escape(value) +
             "</b><small>" + io::escape(place) + "</small><small>" + io::escape(classes) +
             "</small></figure>\n";
  }
  return "<div class=\"tiles\">" + tiles + "</div>\n";
}

std::string class_name(const Evaluation& evaluation, int64_t index) {
  if (index >= 0 && index < static_cast<int64_t>(evaluation.class_names.size()))
    return evaluation.class_names[static_cast<size_t>(index)];
  return "class " + std::to_string(index);
}

}  // namespace onestep
