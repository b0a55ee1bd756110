// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "evaluation/estimate.h"
#include "evaluation/evaluate.h"

/// What both reports tell of an evaluation and no other place computes.
namespace onestep {

/// "Trouser", or "class 1" where names are not known.
std::string class_name(const Evaluation& evaluation, int64_t index);

/// The subject that the headline is judged against; none without a baseline.
const Subject* baseline_of(const Evaluation& evaluation);

/// One class of a subject. Shares are of all its images; no value where labels or a classifier are missing.
struct ClassFacts {
  int64_t index = 0;
  std::optional<double> asked, seen;  ///< by label; by what the classifier sees
  std::optional<double> reference;    ///< of the reference, counted as `seen` is (as `asked` without it)
  std::optional<double> right;        ///< of the images asked for, the share seen as such
  std::optional<Estimate> influence;  ///< mean I(x) over the class asked (or seen), and its standard error
};

/// Every class, in order; empty where a subject has neither labels nor predictions.
std::vector<ClassFacts> class_facts(const Evaluation& evaluation, const Subject& subject);

/// The headline and the reference along a direction (directions.h).
struct DirectionFacts {
  double share = 0;                     ///< of FID
  std::optional<double> shift, spread;  ///< of the mean in standard deviations of the reference; the ratio
                                        ///< of standard deviations; no value without reference samples
  at::Tensor generated, reference;      ///< [N], [M]: coordinates; reference may be undefined
};
DirectionFacts direction_facts(const Evaluation& evaluation, const Direction& direction);

/// How many generated rows lie in no ball of the reference, and reference rows in whose ball none lies.
struct NeighbourFacts {
  int64_t in_no_ball = 0, uncovered = 0, k = 0;
};
NeighbourFacts neighbour_facts(const Neighbourhood& neighbourhood);

/// Distance to the nearest reference row over that row's distance to its own nearest: [N]. 0 for copies,
/// below 1 nearer than the reference is to itself; may be infinite where the reference repeats.
at::Tensor nearest_ratio(const NearestReference& nearest);

/// The gap's standard error if both sets were independent; no value unless both have one.
std::optional<double> independent_error(const Evaluation& evaluation);

/// What one image of seed i does to FID more than the other set's: I(subject) − I(baseline) by row, [N];
/// undefined unless the verdict is one of paired seeds.
at::Tensor paired_difference(const Evaluation& evaluation);

/// "seed 12", "image 12" or "row 12": the place of a row in its set.
std::string place_of(const Evaluation& evaluation, const Subject& subject, int64_t row);

}  // namespace onestep
