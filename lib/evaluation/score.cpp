// SPDX-License-Identifier: Apache-2.0
#include "evaluation/score.h"

#include <algorithm>
#include <cmath>

#include "evaluation/influence.h"
#include "io/file_error.h"
#include "io/numerical_error.h"

namespace onestep {

Gaussian fit(const FeatureSet& set) {
  if (!set.has_samples()) return fit_gaussian(set.statistics->features, set.statistics->n);
  // A finite float64 can still overflow when it is squared.
  const double largest = std::max(set.features.amax().item<double>(), -set.features.amin().item<double>());
  if (!std::isfinite(largest * largest * static_cast<double>(set.features.numel())))
    throw NumericalError(set.source + ": features are too large, their covariance overflows");
  return fit_gaussian(set.features);
}

void throw_widths_differ(const std::string& source, int64_t width, const std::string& reference,
                         int64_t reference_width) {
  throw io::FileError(source, "features have " + std::to_string(width) +
                                  " dimensions, those of the reference " + reference + " " +
                                  std::to_string(reference_width));
}

FidScore score(const FeatureSet& set, const Gaussian& law, const FeatureSet& reference,
               const Gaussian& reference_law) {
  if (set.width() != reference.width())
    throw_widths_differ(set.source, set.width(), reference.source, reference.width());
  FidScore score{.fid = frechet_distance(law, reference_law), .rank = law.rank, .method = law.method};
  if (!std::isfinite(score.fid.value))
    throw NumericalError(set.source + ": features are too large, FID overflows");
  if (set.size() > 0) score.equality_bias = bias_at_equality(reference_law, set.size(), reference.size());
  if (!set.has_samples()) {
    score.se_reason = "only statistics are known, no samples";
    return score;
  }
  score.influence = influence(set.features, law, reference_law);
  score.se = influence_standard_error(score.influence, set.width());
  if (!score.se) score.se_reason = "N <= d: the covariance is singular";
  return score;
}

}  // namespace onestep
