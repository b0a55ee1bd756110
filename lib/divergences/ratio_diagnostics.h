// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "divergences/ratio_bins.h"

namespace onestep {

/// What a batch of student samples contributes to the diagnostics; [B] or 0-d float32 tensors that add up
/// over micro-batches, ranks and ticks. Samples with a ratio or weight that is not finite are left out.
struct RatioSums {
  BinSums bins;
  at::Tensor weight, weight_squared;  ///< Σ h, Σ h²
  at::Tensor logit, clipped, count;   ///< Σ ℓ, number of clipped ratios, number of samples
  RatioSums& operator+=(const RatioSums& other);
};

/// The sums for a discriminator's logits on student samples ([N] or [N, …]), their noise levels [N] and the
/// weights h(r) [N] that came of them (as used, but before any division by a batch mean).
RatioSums ratio_sums(const at::Tensor& logits, const at::Tensor& sigma, const at::Tensor& h,
                     const RatioConfig& config);

/// Is the ratio right, and how much of the batch does it use? float32 tensors on the device of the sums.
struct RatioDiagnostics {
  at::Tensor bin_mean;  ///< [B] mean of r, before normalisation; should be 1; NaN without samples
  at::Tensor effective_sample_size;  ///< 0-d, (Σh)² / (N Σh²) in (0, 1]; 1 when all weights are equal
  at::Tensor clip_rate;              ///< 0-d, share of samples whose logit or ratio met a bound
  at::Tensor mean_logit;             ///< 0-d
};

RatioDiagnostics ratio_diagnostics(const RatioSums& sums);

}  // namespace onestep
