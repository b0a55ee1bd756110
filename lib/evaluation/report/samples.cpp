// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include "evaluation/number_text.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/galleries.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"

namespace onestep {
namespace {

/// A gallery with what it shows, under a heading; "" where there is none.
std::string shown(const std::string& title, const std::string& text, const std::string& gallery) {
  return gallery.empty() ? "" : heading(title) + pages::paragraph(text) + gallery;
}

/// The same, folded: the line that stays tells the finding.
std::string folded(const std::string& finding, const std::string& text, const std::string& gallery) {
  if (gallery.empty()) return text.empty() ? "" : pages::paragraph(finding + ". " + text);
  return pages::details(finding, pages::paragraph(text) + gallery);
}

std::string share_text(int64_t count, int64_t all, const std::string& what) {
  return io::format_count(count) + " of " + io::format_count(all) + " " + what + " (" +
         percent_text(static_cast<double>(count) / static_cast<double>(all)) + ")";
}

std::string neighbours(const Evaluation& evaluation, const Subject& first) {
  constexpr int64_t kCount = 24;
  if (!first.measured.neighbourhood) return "";
  const NeighbourFacts facts = neighbour_facts(*first.measured.neighbourhood);
  const int64_t n = first.set.size(), m = evaluation.reference.set.size();
  const std::string ball =
      "A ball reaches from a reference image to its " + std::to_string(facts.k) + "th nearest other one. ";
  return folded("In no ball of the reference: " + share_text(facts.in_no_ball, n, "samples"),
                ball + "These samples are in the fewest: they look like little that is in the data.",
                sparse_gallery(evaluation, first, kCount)) +
         folded("Not covered: " + share_text(facts.uncovered, m, "of the reference"),
                ball +
                    "No sample lies in the balls of these, chosen by seed: what the set misses. Equal laws "
                    "would leave about " +
                    percent_text(1 - expected_coverage(n, m, facts.k)) + " uncovered at these sizes.",
                uncovered_gallery(evaluation, first, kCount));
}

std::string nearest(const Evaluation& evaluation, const Subject& first) {
  constexpr int64_t kCount = 16;
  if (!first.measured.nearest) return "";
  const at::Tensor ratio = nearest_ratio(*first.measured.nearest);
  const int64_t copies = (ratio == 0).sum().item<int64_t>();
  return folded(
      "Nearest to the reference: smallest ratio " + number_text(ratio.min().item<double>()) +
          (copies > 0 ? ", " + counted(copies, "sample") + " with the very features of a reference image"
                      : ""),
      "Each sample (left) beside its nearest reference image (right). The number is their distance over "
      "the distance from that reference image to its own nearest neighbour: near 0 it is a copy, around 1 "
      "as far as neighbours in the data are. It tells of memorised training images only if the reference (" +
          evaluation.reference.set.source + ") is what the generator was trained on.",
      nearest_gallery(evaluation, first, kCount));
}

std::string duplicates(const Evaluation& evaluation, const Subject& first) {
  constexpr int64_t kCount = 12;
  const int64_t count = first.validity.duplicates.value_or(0);
  if (count == 0) return "";
  return folded(
      "Duplicates: " + share_text(count, first.set.size(), "samples") + " equal an earlier one",
      first.set.images.defined() ? "Pairs that agree in every pixel." : "They agree in every feature.",
      duplicate_gallery(evaluation, first, kCount));
}

std::string harmful(const Evaluation& evaluation, const Subject& first) {
  constexpr int64_t kCount = 16;
  return shown(
      "Most harmful to FID",
      "The samples with the largest influence I(x): without such a sample, FID would be lower by about "
      "I(x)/N. A negative influence helps; the mean over all samples is 0.",
      harmful_gallery(evaluation, first, kCount));
}

std::string by_class(const Evaluation& evaluation, const Subject& first) {
  return shown("By class",
               first.set.labels.defined()
                   ? "The first images of each class that was asked for; not chosen by hand."
                   : "The first images that the classifier sees as each class; not chosen by hand.",
               class_gallery(evaluation, first, 12));
}

}  // namespace

Section samples_section(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  return {"samples", "Samples of " + first.name,
          shown("Random", "Drawn by seed, not chosen by hand.", random_gallery(evaluation, first, 60)) +
              by_class(evaluation, first) + harmful(evaluation, first) + neighbours(evaluation, first) +
              nearest(evaluation, first) + duplicates(evaluation, first)};
}

Section others_section(const Evaluation& evaluation) {
  constexpr size_t kOthers = 5;
  std::string html;
  size_t count = 0;
  for (size_t i = 1; i < evaluation.subjects.size() && count < kOthers; ++i) {
    const Subject& other = evaluation.subjects[i];
    if (!other.set.images.defined()) continue;
    ++count;
    html += heading(other.name + ", FID " + fid_text(other)) + random_gallery(evaluation, other, 24) +
            pages::details("Most harmful to FID", harmful_gallery(evaluation, other, 12));
  }
  return {"others", "Samples of the others", html};
}

}  // namespace onestep
