// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/feature_set.h"
#include "evaluation/fid_infinity.h"
#include "evaluation/frechet.h"
#include "evaluation/neighbours.h"
#include "evaluation/stage_watch.h"

namespace onestep {

/// A metric beside FID, as reports present it.
struct MetricInfo {
  std::string key;    ///< in report.json and in the configuration
  std::string title;  ///< in report.html
  bool higher_is_better;
  std::string definition;  ///< one sentence, with the parameters
};

/// All of them, in the order of the reports.
const std::vector<MetricInfo>& metric_table();

/// The table's row of a key that it has.
const MetricInfo& metric_info(const std::string& key);

/// A metric's value for one set.
struct MetricValue {
  std::string key;
  std::optional<double> value, se;  ///< no value: `reason` says why; no se: none is known
  std::string reason;
  std::vector<std::pair<std::string, double>> extra = {};  ///< by name: parameters, and what else came out
};

/// What a configuration's list asks for, in the order of the table: `all` stands for every one; `fid` is
/// always there and not among them.
std::vector<std::string> wanted_metrics(const std::vector<std::string>& asked);

/// What metrics need of the reference, computed when a first metric asks for it and kept for all subjects.
struct MetricReference {
  const FeatureSet& set;
  const Gaussian& law;                    ///< of set.features; all that FID∞ asks for
  std::optional<Gaussian> spatial_law{};  ///< of set.spatial; may be given where only statistics are known
  at::Tensor radii{};                     ///< squared_radii(set.features, the largest k)
};

/// Metrics of one set, and what they were read off, for a report to draw.
struct Measurements {
  std::vector<MetricValue> values;             ///< the wanted ones, in the order of the table
  std::optional<FidInfinity> fid_infinity;     ///< with FID at each size
  std::optional<Neighbourhood> neighbourhood;  ///< what is sparse, what of the reference is not covered
  std::optional<NearestReference> nearest;     ///< what each sample may be a copy of
};

/// The wanted metrics of a set against the reference; what is computed together is computed once. Subsets,
/// orders and projections are drawn from `seed`. A metric that a set is too small for, or that needs samples,
/// logits or spatial features where there are none, has no value, and a reason. `watch` hears of
/// "`stage`: KID" and the like, counted in samples of the set, and may throw to stop; a factorisation of a
/// wide covariance cannot be stopped half-way.
Measurements measure_metrics(const std::vector<std::string>& wanted, const FeatureSet& generated,
                             MetricReference& reference, uint64_t seed, const std::string& stage,
                             const StageWatch& watch = {});

}  // namespace onestep
