// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "config/check.h"

namespace onestep {

/// How the density ratio r = p_σ/q_σ comes from a discriminator's logits, and how it is normalised.
struct RatioConfig {
  double logit_clamp = 10.0;
  double minimum = 0.05;
  double maximum = 20.0;
  bool normalise = true;
  int64_t bins = 8;
  double momentum = 0.9;
  int64_t min_count = 16;
  double sigma_min = 0.002;
  double sigma_max = 80.0;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("logit_clamp", c.logit_clamp, "a sample's mean logit is clamped to plus or minus this",
          config::between(0, 80));
    visit("minimum", c.minimum, "smallest density ratio", config::scale);
    visit("maximum", c.maximum, "largest density ratio", config::scale);
    visit("normalise", c.normalise, "divide the ratio by its running mean at the sample's noise level");
    visit("bins", c.bins, "noise-level bins of the running mean, equal in ln sigma",
          config::between(1, 1024));
    visit("momentum", c.momentum, "weight of a bin's old mean when it is updated", config::probability);
    visit("min_count", c.min_count, "samples that a bin gathers before its mean is updated",
          config::at_least(2));
    visit("sigma_min", c.sigma_min, "lower end of the bins", config::scale);
    visit("sigma_max", c.sigma_max, "upper end of the bins", config::scale);
  }
  std::string problem() const {
    if (minimum >= maximum) return "minimum must be below maximum";
    if (sigma_min >= sigma_max) return "sigma_min must be below sigma_max";
    return "";
  }
};

/// One logit per sample: the mean of its own logits, [N] or [N, …] -> [N] without gradient; float32, or
/// float64 where the logits are.
at::Tensor sample_logits(const at::Tensor& logits);

/// r = clamp(exp(clamp(ℓ, ±logit_clamp)), minimum, maximum), [N], of a sample's mean logit ℓ
/// (lib/losses/README.md §4).
///
/// A discriminator trained with the logistic loss on real (1) against student (0) samples at one noise law
/// has the optimum ℓ = ln(p_σ/q_σ). `logits` [N] or [N, …]; the result is float32, or float64 where the
/// logits are, without gradient. A NaN logit stays a NaN: nothing is hidden here.
at::Tensor density_ratio(const at::Tensor& logits, const RatioConfig& config);

}  // namespace onestep
