// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/feature_set.h"
#include "evaluation/frechet.h"

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
};

/// What a configuration's list asks for, in the order of the table: `all` stands for every one; `fid` is
/// always there and not among them.
std::vector<std::string> wanted_metrics(const std::vector<std::string>& asked);

/// The wanted metrics of a set against the reference; what is computed together is computed once. Subsets and
/// projections are drawn from `seed`. A set too small for a metric has no value, and a reason.
std::vector<MetricValue> measure_metrics(const std::vector<std::string>& wanted, const FeatureSet& generated,
                                         const FeatureSet& reference, const Gaussian& reference_law,
                                         uint64_t seed);

}  // namespace onestep
