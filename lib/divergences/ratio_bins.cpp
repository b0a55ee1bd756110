// SPDX-License-Identifier: Apache-2.0
#include "divergences/ratio_bins.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {
namespace {

void check_samples(const at::Tensor& r, const at::Tensor& sigma) {
  TORCH_CHECK(r.dim() == 1 && r.sizes() == sigma.sizes(),
              "ratio bins: ratios and noise levels must be [N], got ", r.sizes(), " and ", sigma.sizes());
}

}  // namespace

BinSums& BinSums::operator+=(const BinSums& other) {
  ratio = ratio + other.ratio;
  count = count + other.count;
  return *this;
}

RatioBins make_ratio_bins(const RatioConfig& config, at::Device device) {
  const at::Tensor ones = at::ones({config.bins}, at::device(device).dtype(at::kFloat));
  return {ones, at::zeros_like(ones), at::zeros_like(ones)};
}

at::Tensor ratio_bin(const at::Tensor& sigma, const RatioConfig& config) {
  const double lowest = std::log(config.sigma_min),
               width = (std::log(config.sigma_max) - lowest) / config.bins;
  const at::Tensor place = (sigma.detach().to(at::kDouble).log() - lowest) / width;
  // Clamped before the cast, which is undefined for what no integer can hold, and after it for a NaN.
  return place.clamp(0, config.bins - 1).to(at::kLong).clamp(0, config.bins - 1);
}

BinSums bin_sums(const at::Tensor& r, const at::Tensor& sigma, const RatioConfig& config) {
  check_samples(r, sigma);
  // A mask [N, B] and a sum, not scatter_add: on a GPU that would add in any order.
  const at::Tensor bin = at::arange(config.bins, sigma.options().dtype(at::kLong));
  const at::Tensor inside = (ratio_bin(sigma, config).unsqueeze(1) == bin) & r.isfinite().unsqueeze(1);
  const at::Tensor values = r.detach().to(at::kFloat).unsqueeze(1);
  return {at::where(inside, values, at::zeros_like(values)).sum(0), inside.to(at::kFloat).sum(0)};
}

RatioBins updated(const RatioBins& bins, const BinSums& sums, const RatioConfig& config) {
  const at::Tensor ratio = bins.pending_ratio + sums.ratio, count = bins.pending_count + sums.count;
  const at::Tensor ready = count >= config.min_count;
  const at::Tensor moved = config.momentum * bins.mean + (1 - config.momentum) * ratio / count.clamp_min(1);
  const at::Tensor none = at::zeros_like(count);
  return {at::where(ready, moved, bins.mean), at::where(ready, none, ratio), at::where(ready, none, count)};
}

at::Tensor normalise_ratio(const at::Tensor& r, const at::Tensor& sigma, const RatioBins& bins,
                           const RatioConfig& config) {
  if (!config.normalise) return r;
  check_samples(r, sigma);
  const at::Tensor mean = bins.mean.index_select(0, ratio_bin(sigma, config)).to(r.scalar_type());
  return (r.detach() / mean).clamp(config.minimum, config.maximum);
}

}  // namespace onestep
