// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/evaluate_config.h"
#include "evaluation/feature_set.h"
#include "evaluation/frechet.h"
#include "evaluation/metric.h"
#include "evaluation/sources.h"
#include "evaluation/validity.h"
#include "evaluation/verdict.h"

namespace onestep {

/// FID of one set against the reference.
struct FidScore {
  Frechet fid;
  std::optional<double> se;  ///< no value: N ≤ d
  double equality_bias = 0;  ///< FID that as many samples of the reference's own law would show on average
  int64_t rank = 0;          ///< of the set's covariance
  std::string method;        ///< of the set's root: cholesky, eigen, thin
  at::Tensor influence;      ///< [N] float64, mean zero
};

struct Subject {
  std::string name, kind;
  FeatureSet set;
  FidScore score;
  std::vector<MetricValue> metrics;  ///< beside FID: those that were asked for
  Validity validity;
};

struct Reference {
  FeatureSet set;
  Gaussian law;
  Validity validity;
};

/// Everything that the reports show.
struct Evaluation {
  EvaluateConfig config;
  std::string classifier, classifier_sha256;  ///< empty where everything came as features
  std::vector<std::string> class_names;       ///< may be shorter than the classifier's outputs
  Reference reference;
  std::vector<Subject> subjects;  ///< in the order of the configuration
  std::optional<Verdict> verdict;
  std::vector<std::string> warnings;  ///< what makes a FID here worthless
  std::vector<std::string> notes;     ///< what a reader must know to read the numbers rightly
};

/// FID, its standard error and influences of a set. `path` names it in errors. Throws io::FileError when
/// widths differ, NumericalError when a covariance overflows.
FidScore score(const FeatureSet& set, const FeatureSet& reference, const Gaussian& reference_law);
Gaussian fit(const FeatureSet& set);

/// Collects the reference and every subject and scores them. Writes nothing. `watch` hears of every batch and
/// may throw to stop.
Evaluation evaluate(const EvaluateConfig& config, at::Device device, const StageWatch& watch = {});

}  // namespace onestep
