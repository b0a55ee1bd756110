// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/student.h"
#include "divergences/ratio_bins.h"

namespace onestep {

/// Where the density ratio r = p_σ/q_σ comes from.
struct RatioSourceConfig {
  std::string source = "discriminator";
  double start_kimg = 0;
  RatioConfig measure;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit(
        "source", c.source,
        "discriminator: its logits; exact: the densities themselves, where both are known (toys); one: r = 1",
        config::one_of({"discriminator", "exact", "one"}));
    visit("start_kimg", c.start_kimg, "thousands of images before it is believed; until then r = 1",
          config::non_negative);
    RatioConfig::fields(c.measure, visit);
  }
  std::string problem() const { return measure.problem(); }
};

enum class RatioSource { discriminator, exact, one };

/// The ratio's source, and the running calibration of a measured one.
struct Ratio {
  RatioSourceConfig config;
  RatioSource source;
  RatioBins bins;
};
Ratio make_ratio(const RatioSourceConfig& config, at::Device device);

/// Whether r is more than 1 at image nimg of the run.
bool is_believed(const Ratio& ratio, int64_t nimg);

/// ln(p_σ/q_σ) at x [n], of two known densities, without gradient.
at::Tensor exact_log_ratio(const GaussianMixture& teacher, const GaussianMixture& student,
                           const at::Tensor& x, const at::Tensor& sigma);

/// r [n] of log-ratios [n] or logits [n, …], clipped; normalised by the bins where it was measured.
at::Tensor ratio_of(const Ratio& ratio, const at::Tensor& log_ratio, const at::Tensor& sigma);

/// Takes a step's student logits into the bins, in place: a checkpoint shares their tensors.
void calibrate(Ratio& ratio, const BinSums& sums);

}  // namespace onestep
