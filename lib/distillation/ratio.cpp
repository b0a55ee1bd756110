// SPDX-License-Identifier: Apache-2.0
#include "distillation/ratio.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

namespace onestep {

Ratio make_ratio(const RatioSourceConfig& config, at::Device device) {
  const RatioSource source = config.source == "exact" ? RatioSource::exact
                             : config.source == "one" ? RatioSource::one
                                                      : RatioSource::discriminator;
  return {config, source, make_ratio_bins(config.measure, device)};
}

bool is_believed(const Ratio& ratio, int64_t nimg) {
  return ratio.source != RatioSource::one && static_cast<double>(nimg) >= 1000 * ratio.config.start_kimg;
}

at::Tensor exact_log_ratio(const GaussianMixture& teacher, const GaussianMixture& student,
                           const at::Tensor& x, const at::Tensor& sigma) {
  const c10::NoGradGuard no_grad;
  return log_density(teacher, x, sigma) - log_density(student, x, sigma);
}

at::Tensor ratio_of(const Ratio& ratio, const at::Tensor& log_ratio, const at::Tensor& sigma) {
  const at::Tensor r = density_ratio(log_ratio, ratio.config.measure);
  if (ratio.source != RatioSource::discriminator) return r;
  return normalise_ratio(r, sigma, ratio.bins, ratio.config.measure);
}

void calibrate(Ratio& ratio, const BinSums& sums) {
  const RatioBins next = updated(ratio.bins, sums, ratio.config.measure);
  ratio.bins.mean.copy_(next.mean);
  ratio.bins.pending_ratio.copy_(next.pending_ratio);
  ratio.bins.pending_count.copy_(next.pending_count);
}

}  // namespace onestep
