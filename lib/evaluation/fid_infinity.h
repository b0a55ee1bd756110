// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "evaluation/estimate.h"
#include "evaluation/frechet.h"
#include "evaluation/stage_watch.h"

namespace onestep {

/// y = intercept + slope x.
struct Line {
  Estimate intercept;
  double slope = 0;
};

/// Ordinary least squares. The intercept's standard error is √(s² (1/n + x̄²/Σ(x−x̄)²)), s² = RSS/(n−2); there
/// is none for two points. Throws c10::Error unless x and y have one length ≥ 2 and x at least two values.
Line fit_line(const std::vector<double>& x, const std::vector<double>& y);

struct FidInfinity {
  Estimate intercept;          ///< FID∞; the error is that of the fit
  double slope = 0;            ///< of FID on 1/N: about N times the bias of FID at N
  std::vector<int64_t> sizes;  ///< 15, rising; the last is N
  std::vector<double> fids;    ///< FID of a random subset of each size; the last is FID of all
};

/// FID∞ (Chong and Forsyth 2020, "Effectively unbiased FID and Inception Score"): FID of random subsets of
/// the generated features [N, d] at 15 sizes, evenly spaced in N from max(N/10, 2d) to N, each subset drawn
/// anew from all rows, extrapolated along a line in 1/N to 1/N = 0. The bias of the generated side goes; that
/// of the reference's own size stays. Below 2d samples the bias is not linear in 1/N.
///
/// The intercept's error is that of the line alone. All subsets come from one sample and share its luck:
/// fresh samples of the generator spread the intercept somewhat more than FID at N
/// (influence_standard_error), about twice what this error shows. Throws c10::Error when N < 4d or N < 40, or
/// widths differ. `watch` is called once a size, and may throw to stop.
FidInfinity fid_infinity(const at::Tensor& generated, const Gaussian& reference, uint64_t seed,
                         const Watch& watch = {});

}  // namespace onestep
