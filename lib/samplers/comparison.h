// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "samplers/magnitude_score.h"
#include "samplers/sample.h"

namespace onestep {

/// One sampler's run in a comparison.
struct ComparedRun {
  SamplerConfig sampler;
  SampleResult result;
  double seconds = 0;
  double magnitude_score = 0;      ///< mean over the samples
  std::optional<double> distance;  ///< root of the mean square difference to the reference's samples, in
                                   ///< units of the images; a stochastic sampler has none
};

struct Comparison {
  ComparedRun reference;
  std::vector<std::vector<ComparedRun>> runs;  ///< [solver][steps]
};

/// The same samples by every solver at every number of steps, beside those of Heun's method at
/// `reference_steps`: grid, guidance and thresholds are `base`'s, solver and steps are replaced. The
/// magnitude score takes `data`, or where that is not known the reference's own samples. `watch` hears of the
/// samples of all runs together. Throws as `generate` and `with_changes` do, before anything is drawn where a
/// sampler makes no sense.
Comparison compare(const Denoiser& denoiser, const SamplerConfig& base,
                   const std::vector<std::string>& solvers, const std::vector<int64_t>& steps,
                   int64_t reference_steps, const SampleRequest& request,
                   const std::optional<ChannelStatistics>& data, int64_t batch, const SampleWatch& watch = {},
                   const Workers& workers = {});

/// One line a run, the reference last: solver, steps, nfe, seconds, magnitude_score, distance.
std::string comparison_csv(const Comparison& comparison);

}  // namespace onestep
