// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "divergences/density_ratio.h"

/// The running mean of the density ratio per noise level (lib/losses/README.md §4). E_q[r] = 1 holds at every
/// σ, so a mean that is not 1 measures the discriminator's miscalibration there, and dividing by it repairs
/// the scale.
///
/// Everything is a function of tensors on one device: nothing waits for that device, and sums have a fixed
/// order.
namespace onestep {

/// Sums over samples by bin, float32 [B]. They add up: over micro-batches, ranks (all-reduce both) and ticks.
struct BinSums {
  at::Tensor ratio, count;
  BinSums& operator+=(const BinSums& other);
};

/// The state, float32 [B] each, to be saved with the run. Sums wait in `pending` until a bin has `min_count`
/// samples, so that a bin with few samples keeps its old mean and still learns in the end.
struct RatioBins {
  at::Tensor mean, pending_ratio, pending_count;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("mean", m.mean);
    visit("pending_ratio", m.pending_ratio);
    visit("pending_count", m.pending_count);
  }
};

/// Means of 1 and nothing pending.
RatioBins make_ratio_bins(const RatioConfig& config, at::Device device);

/// The bin of each noise level, int64 [N] in [0, bins): floor(bins · ln(σ/σ_min) / ln(σ_max/σ_min)); levels
/// outside the range belong to the end bins.
at::Tensor ratio_bin(const at::Tensor& sigma, const RatioConfig& config);

/// Sums of the student samples' ratios r [N] at noise levels sigma [N]. A sample whose ratio is not finite is
/// left out, so that one bad logit cannot poison the state.
BinSums bin_sums(const at::Tensor& r, const at::Tensor& sigma, const RatioConfig& config);

/// The state after a step's sums: a bin that now has at least `min_count` samples becomes
/// momentum · mean + (1 − momentum) · (their mean) and starts to gather anew; the others keep their mean.
RatioBins updated(const RatioBins& bins, const BinSums& sums, const RatioConfig& config);

/// r [N] divided by the mean of its bin, within [minimum, maximum] again; r itself when `normalise` is off.
/// Use the state from before the step's own update: then the result does not depend on how a batch is split.
at::Tensor normalise_ratio(const at::Tensor& r, const at::Tensor& sigma, const RatioBins& bins,
                           const RatioConfig& config);

}  // namespace onestep
