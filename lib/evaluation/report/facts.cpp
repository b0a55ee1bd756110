// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report/facts.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>

namespace onestep {
namespace {

int64_t classes_in(const at::Tensor& classes) {
  return classes.defined() && classes.numel() > 0 ? classes.max().item<int64_t>() + 1 : 0;
}

/// Share of each of `count` classes; undefined where the classes are.
at::Tensor shares(const at::Tensor& classes, int64_t count) {
  if (!classes.defined()) return {};
  return at::bincount(classes, {}, count).to(at::kDouble) / static_cast<double>(classes.size(0));
}

std::optional<double> entry(const at::Tensor& values, int64_t k) {
  if (!values.defined()) return std::nullopt;
  const double value = values[k].item<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

/// Mean and standard error of `values` by class, [K] each; NaN where a class has too few.
struct ByClass {
  at::Tensor mean, error;
};
ByClass by_class(const at::Tensor& values, const at::Tensor& classes, int64_t count) {
  const at::Tensor n = at::bincount(classes, {}, count).to(at::kDouble);
  const at::Tensor mean = at::bincount(classes, values, count) / n;
  const at::Tensor away = values - mean.index_select(0, classes);
  const at::Tensor variance = at::bincount(classes, away * away, count) / (n - 1.0);
  return {mean, (variance / n).sqrt()};
}

}  // namespace

std::string class_name(const Evaluation& evaluation, int64_t index) {
  if (index >= 0 && index < static_cast<int64_t>(evaluation.class_names.size()))
    return evaluation.class_names[static_cast<size_t>(index)];
  return "class " + std::to_string(index);
}

const Subject* baseline_of(const Evaluation& evaluation) {
  for (const Subject& subject : evaluation.subjects)
    if (!evaluation.config.baseline.empty() && subject.name == evaluation.config.baseline) return &subject;
  return nullptr;
}

std::vector<ClassFacts> class_facts(const Evaluation& evaluation, const Subject& subject) {
  const FeatureSet &set = subject.set, &real = evaluation.reference.set;
  const at::Tensor& group = set.labels.defined() ? set.labels : set.predicted;
  if (!group.defined()) return {};
  const at::Tensor& real_group = set.predicted.defined() ? real.predicted : real.labels;
  const int64_t count = std::max({classes_in(set.labels), classes_in(set.predicted), classes_in(real_group)});
  const at::Tensor asked = shares(set.labels, count), seen = shares(set.predicted, count),
                   reference = shares(real_group, count);
  at::Tensor right;
  if (set.labels.defined() && set.predicted.defined())
    right = by_class((set.labels == set.predicted).to(at::kDouble), set.labels, count).mean;
  ByClass influence;
  if (subject.score.influence.defined()) influence = by_class(subject.score.influence, group, count);
  std::vector<ClassFacts> facts;
  for (int64_t k = 0; k < count; ++k) {
    facts.push_back({k, entry(asked, k), entry(seen, k), entry(reference, k), entry(right, k), {}});
    if (const auto mean = entry(influence.mean, k))
      facts.back().influence = Estimate{*mean, entry(influence.error, k)};
  }
  return facts;
}

DirectionFacts direction_facts(const Evaluation& evaluation, const Direction& direction) {
  const Subject& first = evaluation.subjects.front();
  // In float64, by blocks: what is left of a difference of float32 products depends on where they lie.
  const auto along = [&](const at::Tensor& features) {
    constexpr int64_t kRows = 4096;
    at::Tensor values = at::empty({features.size(0)}, at::kDouble);
    for (int64_t row = 0; row < features.size(0); row += kRows) {
      const int64_t end = std::min(row + kRows, features.size(0));
      values.slice(0, row, end).copy_(features.slice(0, row, end).to(at::kDouble).matmul(direction.axis));
    }
    return values;
  };
  DirectionFacts facts{.share = direction.fid / first.score.fid.value};
  facts.generated = along(first.set.features);
  const at::Tensor& real = evaluation.reference.set.features;
  if (!real.defined()) return facts;
  facts.reference = along(real);
  const double spread = facts.reference.std().item<double>();
  if (!(spread > 0)) return facts;
  facts.shift = (facts.generated.mean() - facts.reference.mean()).item<double>() / spread;
  facts.spread = facts.generated.std().item<double>() / spread;
  return facts;
}

NeighbourFacts neighbour_facts(const Neighbourhood& neighbourhood) {
  return {(neighbourhood.balls == 0).sum().item<int64_t>(),
          (neighbourhood.contained == 0).sum().item<int64_t>(), neighbourhood.k.density};
}

at::Tensor nearest_ratio(const NearestReference& nearest) {
  return at::where(nearest.distance == 0, 0.0, nearest.distance / nearest.gap);
}

std::optional<double> independent_error(const Evaluation& evaluation) {
  const Subject* baseline = baseline_of(evaluation);
  const FidScore& first = evaluation.subjects.front().score;
  if (baseline == nullptr || !first.se || !baseline->score.se) return std::nullopt;
  return std::hypot(*first.se, *baseline->score.se);
}

at::Tensor paired_difference(const Evaluation& evaluation) {
  const Subject* baseline = baseline_of(evaluation);
  if (baseline == nullptr || !evaluation.verdict || !evaluation.verdict->paired) return {};
  const at::Tensor &mine = evaluation.subjects.front().score.influence, &other = baseline->score.influence;
  if (!mine.defined() || !other.defined() || mine.size(0) != other.size(0)) return {};
  return mine - other;
}

std::string place_of(const Evaluation& evaluation, const Subject& subject, int64_t row) {
  if (subject.kind == ModelSubject::kind) return "seed " + std::to_string(evaluation.config.first_seed + row);
  return (subject.set.images.defined() ? "image " : "row ") + std::to_string(row);
}

}  // namespace onestep
