// SPDX-License-Identifier: Apache-2.0
#include "evaluation/metric.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include "evaluation/inception_score.h"
#include "evaluation/influence.h"
#include "evaluation/kernel_distance.h"
#include "evaluation/projected_distance.h"
#include "evaluation/subset_rows.h"

namespace onestep {
namespace {

/// A value, and what stands beside it in report.json.
struct Measured {
  Estimate estimate;
  std::vector<std::pair<std::string, double>> extra = {};
};

/// What a metric is measured on, and where it leaves what others may want to see.
struct Sets {
  const FeatureSet& generated;
  MetricReference& reference;
  uint64_t seed;
  Measurements& kept;
};

/// Metrics that come out of one computation, in the order of `metrics`.
struct Group {
  std::string stage;
  std::vector<MetricInfo> metrics;
  std::vector<Measured> (*measure)(const Sets&, const Watch&);
};

const at::Tensor& samples(const Sets& sets) {
  TORCH_CHECK(sets.generated.features.defined(), "only statistics are known, no samples");
  return sets.generated.features;
}

const at::Tensor& reference_samples(const Sets& sets) {
  TORCH_CHECK(sets.reference.set.features.defined(),
              "only statistics of the reference are known, no samples");
  return sets.reference.set.features;
}

/// Uses of the seed in subset_rows.
enum : uint64_t { kGeneratedSubsets = 4, kReferenceSubsets = 5, kOrder = 6 };

std::vector<Measured> kid_of(const Sets& sets, const Watch& watch) {
  constexpr int64_t kSubsets = 100, kSize = 1000;  // what other tools do
  const at::Tensor &g = samples(sets), &r = reference_samples(sets);
  const int64_t n = g.size(0), m = r.size(0), size = std::min({n, m, kSize});
  const int64_t full = (n + m) * (n + m), parts = kSubsets * 4 * size * size, total = full + parts;  // pairs
  const Estimate kid = kernel_distance(g, r, part_of(watch, 0, full, total));
  const at::Tensor subsets = kernel_distance_of_subsets(
      g, r, subset_rows(n, kSubsets, size, sets.seed, kGeneratedSubsets),
      subset_rows(m, kSubsets, size, sets.seed, kReferenceSubsets), part_of(watch, full, parts, total));
  return {{kid,
           {{"subsets_mean", subsets.mean().item<double>()},
            {"subsets_sd", subsets.std(/*unbiased=*/false).item<double>()},
            {"subset_size", size},
            {"subsets", kSubsets}}}};
}

std::vector<Measured> inception_score_of(const Sets& sets, const Watch&) {
  samples(sets);
  const at::Tensor& logits = sets.generated.logits;
  TORCH_CHECK(logits.defined(), "these features have no logits");
  constexpr int64_t kSplits = 10;
  const int64_t n = logits.size(0);
  // Samples may come sorted by class.
  const InceptionScore is = inception_score(logits, kSplits, subset_rows(n, 1, n, sets.seed, kOrder)[0]);
  return {{is.score, {{"sd", is.sd}, {"splits", kSplits}}}};
}

std::vector<Measured> manifold_of(const Sets& sets, const Watch& watch) {
  const at::Tensor &g = samples(sets), &r = reference_samples(sets);
  const BallSizes k;
  const int64_t n = g.size(0), m = r.size(0), first = sets.reference.radii.defined() ? 0 : m * m,
                rest = n * n + n * m;  // pairs
  if (first > 0)
    sets.reference.radii = squared_radii(r, std::max(k.precision, k.density), kNeighbourTile,
                                         part_of(watch, 0, first, first + rest));
  sets.kept.neighbourhood =
      neighbourhood(g, r, k, sets.reference.radii, kNeighbourTile, part_of(watch, first, rest, first + rest));
  const Manifold shape = manifold(*sets.kept.neighbourhood);
  const auto with = [](const Estimate& estimate, int64_t neighbours) {
    return Measured{estimate, {{"k", static_cast<double>(neighbours)}}};
  };
  return {with(shape.precision, k.precision), with(shape.recall, k.precision), with(shape.density, k.density),
          with(shape.coverage, k.density)};
}

std::vector<Measured> sfid_of(const Sets& sets, const Watch& watch) {
  samples(sets);
  const at::Tensor& spatial = sets.generated.spatial;
  std::optional<Gaussian>& reference = sets.reference.spatial_law;
  TORCH_CHECK(spatial.defined(), "these features have no spatial part");
  TORCH_CHECK(reference || sets.reference.set.spatial.defined(), "the reference has no spatial part");
  const auto step = [&](int64_t done) {
    if (watch) watch(done, 4);
  };
  step(0);
  if (!reference) reference = fit_gaussian(sets.reference.set.spatial);
  step(1);
  const Gaussian law = fit_gaussian(spatial);
  step(2);
  const double value = frechet_distance(law, *reference).value;
  step(3);
  const std::optional<double> error =
      spatial.size(0) > spatial.size(1)
          ? influence_standard_error(influence(spatial, law, *reference), spatial.size(1))
          : std::nullopt;
  step(4);
  return {{{value, error}, {{"d", static_cast<double>(spatial.size(1))}}}};
}

std::vector<Measured> fid_infinity_of(const Sets& sets, const Watch& watch) {
  sets.kept.fid_infinity = fid_infinity(samples(sets), sets.reference.law, sets.seed, watch);
  return {{sets.kept.fid_infinity->intercept, {{"slope", sets.kept.fid_infinity->slope}}}};
}

std::vector<Measured> mind_of(const Sets& sets, const Watch& watch) {
  constexpr int64_t kProjections = 1000;
  return {{projected_distance(samples(sets), reference_samples(sets), sets.seed, kProjections, watch),
           {{"projections", kProjections}}}};
}

std::vector<Measured> authentic_of(const Sets& sets, const Watch& watch) {
  sets.kept.nearest =
      nearest_reference(samples(sets), reference_samples(sets), sets.reference.radii, kNeighbourTile, watch);
  return {{authentic_share(*sets.kept.nearest)}};
}

const std::vector<Group>& groups() {
  static const std::vector<Group> table{
      {"KID",
       {{"kid", "KID", false,
         "Kernel distance (Bińkowski et al. 2018): the unbiased squared MMD under (xᵀy/d + 1)³ of all "
         "samples; may be below 0. Other tools give the mean over 100 random subsets of 1000."}},
       kid_of},
      {"Inception Score",
       {{"is", "Inception Score", true,
         "exp of the mutual information of sample and class (Salimans et al. 2016): the mean over 10 parts "
         "of the samples in random order. Says nothing of the reference."}},
       inception_score_of},
      {"neighbours",
       {{"precision", "precision", true,
         "Share of the samples within the 3rd-neighbour ball of some reference sample (Kynkäänniemi et al. "
         "2019)."},
        {"recall", "recall", true,
         "Share of the reference within the 3rd-neighbour ball of some sample: what of it the set covers. "
         "The error is that of the reference's sample."},
        {"density", "density", true,
         "How many 5th-neighbour balls of the reference a sample is in, over 5 (Naeem et al. 2020); about 1 "
         "for equal laws."},
        {"coverage", "coverage", true, "Share of the reference's 5th-neighbour balls that hold a sample."}},
       manifold_of},
      {"sFID",
       {{"sfid", "sFID", false,
         "FID of Inception's spatial features (Nash et al. 2021): 7 channels of a 17 x 17 layer, which see "
         "where things are."}},
       sfid_of},
      {"FID∞",
       {{"fid_infinity", "FID∞", false,
         "FID extrapolated to infinitely many samples (Chong and Forsyth 2020): the intercept of FID over "
         "1/N at 15 sizes. The error is that of the fit, not of the sample."}},
       fid_infinity_of},
      {"MIND",
       {{"mind", "MIND", false,
         "Sliced squared Wasserstein distance times 3d. The error is that of the 1000 random projections; "
         "equal laws give a value above 0, which falls as N grows."}},
       mind_of},
      {"nearest",
       {{"authpct", "authentic", true,
         "Share of the samples that are farther from their nearest reference sample than that one is from "
         "its own (Alaa et al. 2022): low where the reference is copied. In many dimensions fresh samples "
         "have far more than one half: compare with held-out data."}},
       authentic_of},
  };
  return table;
}

bool contains(const std::vector<std::string>& keys, const std::string& key) {
  return std::ranges::find(keys, key) != keys.end();
}

/// The group's values, or why there are none.
std::vector<MetricValue> values_of(const Group& group, const Sets& sets, const Watch& watch) {
  std::vector<MetricValue> values;
  try {
    std::vector<Measured> measured = group.measure(sets, watch);
    for (size_t i = 0; i < group.metrics.size(); ++i) {
      auto& [estimate, extra] = measured[i];
      values.push_back({group.metrics[i].key, estimate.value, estimate.se, "", std::move(extra)});
    }
  } catch (const c10::Error& error) {  // too few samples, or none
    values.clear();
    for (const MetricInfo& metric : group.metrics)
      values.push_back({metric.key, {}, {}, error.what_without_backtrace()});
  }
  return values;
}

/// Whatever a computation counts becomes samples of the set.
Watch in_samples(const StageWatch& watch, const std::string& stage, const FeatureSet& set) {
  if (!watch) return {};
  return [&watch, &set, stage](int64_t done, int64_t total) {
    watch(stage, set.size() * done / total, set.size());
  };
}

}  // namespace

const std::vector<MetricInfo>& metric_table() {
  static const std::vector<MetricInfo> table = [] {
    std::vector<MetricInfo> all;
    for (const Group& group : groups()) all.insert(all.end(), group.metrics.begin(), group.metrics.end());
    return all;
  }();
  return table;
}

const MetricInfo& metric_info(const std::string& key) {
  const auto found = std::ranges::find(metric_table(), key, &MetricInfo::key);
  TORCH_CHECK(found != metric_table().end(), "no metric '", key, "'");
  return *found;
}

std::vector<std::string> wanted_metrics(const std::vector<std::string>& asked) {
  std::vector<std::string> wanted;
  for (const MetricInfo& metric : metric_table())
    if (contains(asked, "all") || contains(asked, metric.key)) wanted.push_back(metric.key);
  return wanted;
}

Measurements measure_metrics(const std::vector<std::string>& wanted, const FeatureSet& generated,
                             MetricReference& reference, uint64_t seed, const std::string& stage,
                             const StageWatch& watch) {
  Measurements result;
  const Sets sets{generated, reference, seed, result};
  for (const Group& group : groups()) {
    if (std::ranges::none_of(group.metrics, [&](const MetricInfo& m) { return contains(wanted, m.key); }))
      continue;
    const std::string name = stage + ": " + group.stage;
    if (watch) watch(name, 0, generated.size());  // the clock of its rate starts
    for (MetricValue& value : values_of(group, sets, in_samples(watch, name, generated)))
      if (contains(wanted, value.key)) result.values.push_back(std::move(value));
  }
  return result;
}

}  // namespace onestep
