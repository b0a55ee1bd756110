// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "divergences/ratio_diagnostics.h"
#include "training/diagnosis.h"

namespace onestep {

/// What a run can tell of its own health: sums over a shard, a step, or the time between two ticks of the
/// log; nothing waits for the device until the tick.
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

  /// What a shard or a step tells, beside what is there.
  Diagnostics& operator+=(const Diagnostics& other);

  /// As reports of shards name their numbers (parallel/packed.h).
  template <class Self, class Visit>
  static void numbers(Self& d, Visit&& visit) {
    if (d.ratios) {
      auto& [bins, weight, weight_squared, logit, clipped, count] = *d.ratios;
      for (at::Tensor* t : {&bins.ratio, &bins.count, &weight, &weight_squared, &logit, &clipped, &count})
        visit(*t);
    }
    if (d.gaps) {
      visit(d.gaps->ratio);
      visit(d.gaps->count);
    }
    for (at::Tensor* t :
         {&d.real_logit, &d.real_count, &d.bad_gradients, &d.gradients, &d.cosine, &d.cosine_count})
      visit(*t);
  }

  /// Everything since the last call, with warnings in words.
  Diagnosis take();
};

}  // namespace onestep
