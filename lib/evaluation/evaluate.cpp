// SPDX-License-Identifier: Apache-2.0
#include "evaluation/evaluate.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/TensorOperators.h>

#include "evaluation/influence.h"
#include "evaluation/inputs.h"
#include "evaluation/protocol.h"
#include "evaluation/remarks.h"
#include "evaluation/rounding.h"
#include "evaluation/sources.h"
#include "parallel/together.h"

namespace onestep {
namespace {

Reference collect_reference(const Collector& collector) {
  Reference reference{.set = collect(collector.config.reference, collector)};
  reference.law = fit(reference.set);
  reference.validity = check_validity(reference.set);
  return reference;
}

MetricReference metric_reference_of(const Reference& reference) {
  MetricReference metric_reference{.set = reference.set, .law = reference.law};
  const std::optional<StatisticsFile>& statistics = reference.set.statistics;
  if (statistics && statistics->spatial)
    metric_reference.spatial_law = fit_gaussian(*statistics->spatial, statistics->n);
  return metric_reference;
}

FidScore score_of(const FeatureSet& set, const Reference& reference) {
  return score(set, fit(set), reference.set, reference.law);
}

/// Where a subject's sets of seeds begin; one where nothing is drawn.
std::vector<int64_t> first_seeds_of(const SubjectConfig& subject, const EvaluateConfig& config) {
  std::vector<int64_t> firsts{config.first_seed};
  for (int64_t i = 1; i < config.seed_sets && std::holds_alternative<ModelSubject>(subject); ++i)
    firsts.push_back(config.first_seed + i * images_to_draw(config));
  return firsts;
}

/// FID of every set of seeds; that of the first is known.
std::vector<SeedSet> seed_sets_of(const SubjectConfig& config, const Subject& first,
                                  const Reference& reference, const Collector& collector) {
  const std::vector<int64_t> firsts = first_seeds_of(config, collector.config);
  if (firsts.size() == 1) return {};
  std::vector<SeedSet> sets{{firsts.front(), first.score.fid.value, first.score.se}};
  for (size_t i = 1; i < firsts.size(); ++i) {
    const int64_t first_seed = firsts[i];
    const FidScore score = score_of(collect(config, first_seed, collector), reference);
    sets.push_back({first_seed, score.fid.value, score.se});
  }
  return sets;
}

Subject evaluate_subject(const SubjectConfig& config, const Reference& reference,
                         MetricReference& metric_reference, const Collector& collector) {
  Subject subject{.name = subject_name(config)};
  subject.kind = std::visit([](const auto& one) { return std::string(one.kind); }, config);
  subject.set = collect(config, collector.config.first_seed, collector);
  subject.law = fit(subject.set);
  subject.score = score(subject.set, subject.law, reference.set, reference.law);
  subject.seed_sets = seed_sets_of(config, subject, reference, collector);
  subject.measured =
      measure_metrics(wanted_metrics(collector.config.metrics), subject.set, metric_reference,
                      static_cast<uint64_t>(collector.config.seed), subject.name, collector.context.watch);
  subject.validity = check_validity(subject.set);
  return subject;
}

std::vector<TrendPoint> trend_of(const Reference& reference, const Collector& collector) {
  std::vector<TrendPoint> trend;
  if (collector.config.trend.empty()) return trend;
  for (const KeptModel& kept : kept_models(collector.config.trend, collector.context.ranks)) {
    const FidScore score =
        score_of(collect(trend_subject(kept), collector.config.first_seed, collector), reference);
    trend.push_back({kept.nimg, score.fid.value, score.se});
  }
  return trend;
}

/// The headline against the baseline.
std::optional<Verdict> verdict_of(const Evaluation& evaluation) {
  const auto baseline = std::ranges::find(evaluation.subjects, evaluation.config.baseline, &Subject::name);
  if (evaluation.config.baseline.empty() || baseline == evaluation.subjects.end()) return std::nullopt;
  const Subject& first = evaluation.subjects.front();
  const auto scored = [](const Subject& subject) {
    return Scored{subject.score.fid.value, subject.score.se};
  };
  std::optional<double> paired_se;
  if (first.kind == ModelSubject::kind && baseline->kind == ModelSubject::kind)
    paired_se =
        influence_standard_error(first.score.influence - baseline->score.influence, first.set.width());
  return judge(scored(first), scored(*baseline), paired_se);
}

/// Where the headline's FID comes from; none where a covariance is singular and the optimal map unknown, or
/// where FID is 0.
std::vector<Direction> directions_of(const Evaluation& evaluation) {
  constexpr int64_t kShown = 4;
  const Subject& first = evaluation.subjects.front();
  if (!first.score.se || first.score.fid.value == 0.0 || !first.set.images.defined()) return {};
  return fid_directions(first.law, evaluation.reference.law, std::min(kShown, first.set.width()));
}

/// Of the first set that has any.
std::vector<std::string> class_names_of(const Evaluation& evaluation) {
  if (!evaluation.reference.set.class_names.empty()) return evaluation.reference.set.class_names;
  for (const Subject& subject : evaluation.subjects)
    if (!subject.set.class_names.empty()) return subject.set.class_names;
  return {};
}

/// What a rank does for an evaluation that rank 0 makes: its share of every set, in the same order.
void help_to_evaluate(const Collector& collector) {
  const EvaluateConfig& config = collector.config;
  collect(config.reference, collector);
  for (const SubjectConfig& subject : config.subjects)
    for (const int64_t first_seed : first_seeds_of(subject, config)) collect(subject, first_seed, collector);
  if (config.trend.empty()) return;
  for (const KeptModel& kept : kept_models(config.trend, collector.context.ranks))
    collect(trend_subject(kept), config.first_seed, collector);
}

}  // namespace

SeedSetSummary summary_of(const std::vector<SeedSet>& sets) {
  const auto n = static_cast<double>(sets.size());
  SeedSetSummary summary{.min = sets.front().fid};
  for (const SeedSet& set : sets) {
    summary.min = std::min(summary.min, set.fid);
    summary.mean += set.fid / n;
  }
  for (const SeedSet& set : sets) summary.sd += std::pow(set.fid - summary.mean, 2) / (n - 1);
  summary.sd =
      beyond_rounding(std::sqrt(summary.sd), rounding_of(summary.mean, static_cast<int64_t>(sets.size())));
  return summary;
}

Evaluation evaluate(const EvaluateConfig& config, const EvaluationContext& context) {
  Evaluation evaluation{.config = config};
  std::optional<Collector> opened;
  together(context.ranks, [&] {
    opened.emplace(make_collector(config, context));
    check_inputs(*opened);
  });
  const Collector& collector = *opened;
  if (context.ranks.rank != 0) {
    help_to_evaluate(collector);
    return evaluation;
  }
  if (collector.extractor) evaluation.network = collector.extractor->network;
  evaluation.reference = collect_reference(collector);
  MetricReference metric_reference = metric_reference_of(evaluation.reference);
  for (const SubjectConfig& subject : config.subjects)
    evaluation.subjects.push_back(
        evaluate_subject(subject, evaluation.reference, metric_reference, collector));
  evaluation.trend = trend_of(evaluation.reference, collector);
  evaluation.class_names = class_names_of(evaluation);
  evaluation.verdict = verdict_of(evaluation);
  evaluation.directions = directions_of(evaluation);
  evaluation.departures = departures_from_edm(config, evaluation.network.origin);
  evaluation.warnings = warnings_on(evaluation);
  evaluation.notes = notes_on(evaluation);
  return evaluation;
}

}  // namespace onestep
