// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "distillation/ratio.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

GaussianMixture gaussian(double mean, double std) {
  return {at::ones({1}, at::kDouble), at::full({1, 1, 1, 1}, mean, at::kDouble),
          at::full({1, 1, 1, 1}, std, at::kDouble)};
}

Ratio ratio(const std::string& source) {
  const RatioConfig measure{.minimum = 1e-6,
                            .maximum = 1e6,
                            .bins = 2,
                            .momentum = 0,
                            .min_count = 2,
                            .sigma_min = 0.01,
                            .sigma_max = 100};
  return make_ratio({.source = source, .measure = measure}, at::kCPU);
}

}  // namespace

TEST_CASE("The exact log ratio of two Gaussians is a parabola") {
  const at::Tensor x = at::linspace(-3, 3, 7, at::kDouble);
  const at::Tensor sigma = at::full({7}, 0.5, at::kDouble);
  const double p = 0.3 * 0.3 + 0.25, q = 1.0 + 0.25;  // variances of the noised densities
  const at::Tensor expected =
      0.5 * std::log(q / p) + (x + 0.2).square() / (2 * q) - (x - 1).square() / (2 * p);
  const at::Tensor points = over_images(x).requires_grad_();
  const at::Tensor value = exact_log_ratio(gaussian(1, 0.3), gaussian(-0.2, 1), points, sigma);
  CHECK(relative_error(value, expected) < 1e-13);
  CHECK_FALSE(value.requires_grad());
}

TEST_CASE("Only a measured ratio is divided by its running mean") {
  const at::Tensor sigma = at::tensor({0.1, 0.1, 10.0, 10.0}, at::kDouble).to(at::kFloat);
  const at::Tensor log_ratio = at::tensor({1.0, 2.0, -1.0, 0.5}, at::kDouble).to(at::kFloat);
  Ratio measured = ratio("discriminator");
  calibrate(measured,
            bin_sums(density_ratio(log_ratio, measured.config.measure), sigma, measured.config.measure));
  const double low = (std::exp(1.0) + std::exp(2.0)) / 2, high = (std::exp(-1.0) + std::exp(0.5)) / 2;
  const at::Tensor means = at::tensor({low, low, high, high}, at::kDouble);
  CHECK(relative_error(ratio_of(measured, log_ratio, sigma), log_ratio.to(at::kDouble).exp() / means) < 1e-5);

  Ratio exact = ratio("exact");
  exact.bins.mean.fill_(3);
  CHECK(relative_error(ratio_of(exact, log_ratio, sigma), log_ratio.exp()) < 1e-6);
}

TEST_CASE("The running mean is updated in place, where a checkpoint looks") {
  Ratio measured = ratio("discriminator");
  const RatioBins shared = measured.bins;
  const at::Tensor sigma = at::tensor({0.1f, 0.1f, 10.f}), r = at::tensor({2.f, 4.f, 5.f});
  calibrate(measured, bin_sums(r, sigma, measured.config.measure));
  CHECK(shared.mean.equal(at::tensor({3.f, 1.f})));  // the second bin waits for a second sample
  CHECK(shared.pending_ratio.equal(at::tensor({0.f, 5.f})));
  CHECK(shared.pending_count.equal(at::tensor({0.f, 1.f})));
}
