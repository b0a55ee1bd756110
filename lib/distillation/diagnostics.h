// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "divergences/ratio_diagnostics.h"
#include "training/diagnosis.h"

namespace onestep {

/// What a run can tell of its own health, summed between two ticks of the log; nothing waits for the device
/// until the tick.
struct Diagnostics {
  RatioConfig ratio;  ///< bins and bounds
  std::optional<RatioSums> ratios;
  std::optional<BinSums> gaps;          ///< ‖Δ‖ per bin of ln σ
  at::Tensor real_logit, real_count;    ///< sums
  at::Tensor bad_gradients, gradients;  ///< images whose gradient is not finite, and all
  at::Tensor cosine, cosine_count;      ///< between the two branches' gradients

  void add_ratio(const at::Tensor& logits, const at::Tensor& sigma, const at::Tensor& h);
  void add_real_logits(const at::Tensor& logits);
  /// Δ = (D_p − D_q)/σ² of a batch.
  void add_gap(const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& sigma);
  /// Image-space gradients [n, …] of the integral and the expanded branch at the same samples.
  void add_branches(const at::Tensor& integral, const at::Tensor& expanded);
  /// Whose numbers were finite, the gradient's too: bool [n].
  void add_gradient(const at::Tensor& finite);

  /// Everything since the last call, with warnings in words.
  Diagnosis take();
};

}  // namespace onestep
