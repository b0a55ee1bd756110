// SPDX-License-Identifier: Apache-2.0
#include "evaluation/metric.h"

#include <algorithm>
#include <functional>

#include <c10/util/Exception.h>

#include "evaluation/fid_infinity.h"
#include "evaluation/kernel_distance.h"
#include "evaluation/neighbours.h"
#include "evaluation/projected_distance.h"

namespace onestep {
namespace {

struct Sets {
  const at::Tensor &generated, &reference;
  const Gaussian& reference_law;
  uint64_t seed;
};

/// Metrics that come out of one computation, in the order of `metrics`.
struct Group {
  std::vector<MetricInfo> metrics;
  std::function<std::vector<Estimate>(const Sets&)> measure;
};

std::vector<Estimate> manifold_of(const Sets& sets) {
  const Manifold m = manifold(neighbourhood(sets.generated, sets.reference));
  return {m.precision, m.recall, m.density, m.coverage};
}

const std::vector<Group>& groups() {
  static const std::vector<Group> table{
      {{{"kid", "KID", false,
         "Kernel distance (Bińkowski et al. 2018): the unbiased squared MMD under (xᵀy/d + 1)³ of all "
         "samples; may be below 0."}},
       [](const Sets& s) { return std::vector{kernel_distance(s.generated, s.reference)}; }},
      {{{"fid_infinity", "FID∞", false,
         "FID extrapolated to infinitely many samples (Chong and Forsyth 2020): the intercept of FID over "
         "1/N at 15 sizes. The error is that of the fit, not of the sample."}},
       [](const Sets& s) {
         return std::vector{fid_infinity(s.generated, s.reference_law, s.seed).intercept};
       }},
      {{{"mind", "MIND", false,
         "Sliced squared Wasserstein distance times 3d. The error is that of the 1000 random projections; "
         "equal laws give a value above 0, which falls as N grows."}},
       [](const Sets& s) { return std::vector{projected_distance(s.generated, s.reference, s.seed)}; }},
      {{{"precision", "precision", true,
         "Share of the samples within the 3rd-neighbour ball of some reference sample (Kynkäänniemi et al. "
         "2019)."},
        {"recall", "recall", true,
         "Share of the reference within the 3rd-neighbour ball of some sample: what of it the set covers."},
        {"density", "density", true,
         "How many 5th-neighbour balls of the reference a sample is in, over 5 (Naeem et al. 2020); about 1 "
         "for equal laws."},
        {"coverage", "coverage", true, "Share of the reference's 5th-neighbour balls that hold a sample."}},
       manifold_of},
      {{{"authpct", "authentic", true,
         "Share of the samples that are farther from their nearest reference sample than that one is from "
         "its own (Alaa et al. 2022): low where the reference is copied. In many dimensions fresh samples "
         "have far more than one half: compare with held-out data."}},
       [](const Sets& s) {
         return std::vector{authentic_share(nearest_reference(s.generated, s.reference))};
       }},
  };
  return table;
}

bool contains(const std::vector<std::string>& keys, const std::string& key) {
  return std::ranges::find(keys, key) != keys.end();
}

/// The group's values, or why there are none.
std::vector<MetricValue> values_of(const Group& group, const Sets& sets) {
  std::vector<MetricValue> values;
  try {
    const std::vector<Estimate> estimates = group.measure(sets);
    for (size_t i = 0; i < group.metrics.size(); ++i)
      values.push_back({group.metrics[i].key, estimates[i].value, estimates[i].se, ""});
  } catch (const c10::Error& error) {  // too few samples
    values.clear();
    for (const MetricInfo& metric : group.metrics)
      values.push_back({metric.key, {}, {}, error.what_without_backtrace()});
  }
  return values;
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

std::vector<MetricValue> measure_metrics(const std::vector<std::string>& wanted, const FeatureSet& generated,
                                         const FeatureSet& reference, const Gaussian& reference_law,
                                         uint64_t seed) {
  const Sets sets{generated.features, reference.features, reference_law, seed};
  std::vector<MetricValue> values;
  for (const Group& group : groups()) {
    if (std::ranges::none_of(group.metrics, [&](const MetricInfo& m) { return contains(wanted, m.key); }))
      continue;
    for (MetricValue& value : values_of(group, sets))
      if (contains(wanted, value.key)) values.push_back(std::move(value));
  }
  return values;
}

}  // namespace onestep
