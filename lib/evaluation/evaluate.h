// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/context.h"
#include "evaluation/directions.h"
#include "evaluation/evaluate_config.h"
#include "evaluation/feature_extractor.h"
#include "evaluation/feature_set.h"
#include "evaluation/frechet.h"
#include "evaluation/metric.h"
#include "evaluation/score.h"
#include "evaluation/validity.h"
#include "evaluation/verdict.h"

namespace onestep {

/// FID of one set of seeds.
struct SeedSet {
  int64_t first_seed = 0;
  double fid = 0;
  std::optional<double> se;
};

/// The smallest, which papers report, and what is fairer: mean and standard deviation over the sets.
struct SeedSetSummary {
  double min = 0, mean = 0, sd = 0;
};
SeedSetSummary summary_of(const std::vector<SeedSet>& sets);

struct Subject {
  std::string name, kind;
  FeatureSet set;  ///< of the first set of seeds, like everything but seed_sets
  Gaussian law;
  FidScore score;
  std::vector<SeedSet>
      seed_sets;          ///< of a generator, the first included; empty unless several were asked for
  Measurements measured;  ///< beside FID: what was asked for
  Validity validity;
};

struct Reference {
  FeatureSet set;
  Gaussian law;
  Validity validity;
};

/// FID of a model that a run kept on its way.
struct TrendPoint {
  int64_t nimg = 0;
  double fid = 0;
  std::optional<double> se;
};

/// Everything that the reports show.
struct Evaluation {
  EvaluateConfig config;
  NetworkFile network;                   ///< of the features; empty where everything came as features
  std::vector<std::string> class_names;  ///< may be shorter than the classifier's outputs
  Reference reference;
  std::vector<Subject> subjects;  ///< in the order of the configuration
  std::optional<Verdict> verdict;
  std::vector<Direction>
      directions;                 ///< where the headline's FID comes from, the largest first; may be empty
  std::vector<TrendPoint> trend;  ///< oldest first; empty unless asked for
  std::vector<std::string> departures;  ///< from the EDM protocol
  std::vector<std::string> warnings;    ///< what makes a FID here worthless
  std::vector<std::string> notes;       ///< what a reader must know to read the numbers rightly
};

/// Collects the reference and every subject and scores them. Writes nothing but the cache. Throws as the
/// readers, the samplers and the context's watch do.
Evaluation evaluate(const EvaluateConfig& config, const EvaluationContext& context = {});

}  // namespace onestep
