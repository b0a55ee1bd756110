// SPDX-License-Identifier: Apache-2.0
#include "divergences/ratio_diagnostics.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {

RatioSums& RatioSums::operator+=(const RatioSums& other) {
  bins += other.bins;
  weight = weight + other.weight;
  weight_squared = weight_squared + other.weight_squared;
  logit = logit + other.logit;
  clipped = clipped + other.clipped;
  count = count + other.count;
  return *this;
}

RatioSums ratio_sums(const at::Tensor& logits, const at::Tensor& sigma, const at::Tensor& h,
                     const RatioConfig& config) {
  const at::Tensor logit = sample_logits(logits);
  TORCH_CHECK(h.sizes() == logit.sizes(), "ratio diagnostics: weights must be [", logit.size(0), "], got ",
              h.sizes());
  const at::Tensor finite = logit.isfinite() & h.isfinite();
  const auto total = [&](const at::Tensor& value) {
    return at::where(finite, value.detach(), at::zeros_like(value)).to(at::kFloat).sum();
  };
  const double lowest = std::max(-config.logit_clamp, std::log(config.minimum));
  const double highest = std::min(config.logit_clamp, std::log(config.maximum));
  const at::Tensor clipped = (logit < lowest) | (logit > highest);
  return {.bins = bin_sums(density_ratio(logits, config), sigma, config),
          .weight = total(h),
          .weight_squared = total(h.square()),
          .logit = total(logit),
          .clipped = total(clipped),
          .count = finite.to(at::kFloat).sum()};
}

RatioDiagnostics ratio_diagnostics(const RatioSums& sums) {
  return {.bin_mean = sums.bins.ratio / sums.bins.count,
          .effective_sample_size = sums.weight.square() / (sums.count * sums.weight_squared),
          .clip_rate = sums.clipped / sums.count,
          .mean_logit = sums.logit / sums.count};
}

}  // namespace onestep
