// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "divergences/close.h"
#include "divergences/ratio_diagnostics.h"

namespace onestep {
namespace {

at::Tensor floats(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

RatioConfig two_bins() {
  return {.minimum = 0.1, .maximum = 10, .bins = 2, .sigma_min = 0.01, .sigma_max = 100};
}

TEST_CASE("diagnostics count what happened") {
  // Mean logits 0, 1, ln 10 + 1 (clipped), −20 (clipped) and one NaN, which is left out.
  const at::Tensor logits =
      floats({-1, 1, 0, 2, std::log(10.0) + 1, std::log(10.0) + 1, -20, -20, NAN, 0}).view({5, 2});
  const at::Tensor sigma = floats({0.1, 0.1, 0.1, 10, 10}), h = floats({1, 2, 3, 2, 1});
  const RatioDiagnostics d = ratio_diagnostics(ratio_sums(logits, sigma, h, two_bins()));
  CHECK(worst_relative_error(d.bin_mean, floats({(1 + std::exp(1.0) + 10) / 3, 0.1})) < 1e-6);
  CHECK(d.effective_sample_size.item<double>() == Approx(64.0 / (4 * 18)));
  CHECK(d.clip_rate.item<double>() == Approx(0.5));
  CHECK(d.mean_logit.item<double>() == Approx((1 + std::log(10.0) + 1 - 20) / 4).epsilon(1e-6));
}

TEST_CASE("the effective sample size is the share of the batch that counts") {
  const auto share = [](const at::Tensor& h) {
    const at::Tensor zeros = at::zeros({h.size(0)});
    return ratio_diagnostics(ratio_sums(zeros, zeros + 1, h, two_bins()))
        .effective_sample_size.item<double>();
  };
  CHECK(share(at::full({64}, 0.3)) == Approx(1));
  CHECK(share(floats({5, 0, 0, 0})) == Approx(0.25));
  CHECK(share(floats({1, 1, 0, 0})) == Approx(0.5));
}

TEST_CASE("diagnostics of a tick are those of all its samples") {
  const at::Tensor logits = at::linspace(-4, 4, 30), sigma = at::linspace(0.02, 30, 30),
                   h = at::linspace(0.1, 2, 30);
  const RatioSums whole = ratio_sums(logits, sigma, h, two_bins());
  RatioSums parts = ratio_sums(logits.narrow(0, 0, 7), sigma.narrow(0, 0, 7), h.narrow(0, 0, 7), two_bins());
  parts += ratio_sums(logits.narrow(0, 7, 23), sigma.narrow(0, 7, 23), h.narrow(0, 7, 23), two_bins());
  const RatioDiagnostics a = ratio_diagnostics(whole), b = ratio_diagnostics(parts);
  CHECK(relative_error(b.bin_mean, a.bin_mean) < 1e-6);
  CHECK(relative_error(b.effective_sample_size, a.effective_sample_size) < 1e-6);
  CHECK(relative_error(b.clip_rate, a.clip_rate) < 1e-6);
  CHECK((b.mean_logit - a.mean_logit).abs().item<double>() < 1e-6);
}

TEST_CASE("a bin without samples has no mean") {
  const at::Tensor one = at::ones({3});
  const RatioDiagnostics d = ratio_diagnostics(ratio_sums(at::zeros({3}), one * 0.1, one, two_bins()));
  CHECK(d.bin_mean[0].item<double>() == 1);
  CHECK(std::isnan(d.bin_mean[1].item<double>()));
  CHECK_THROWS_WITH(ratio_sums(at::zeros({3}), one, at::ones({2}), two_bins()),
                    Catch::Contains("weights must be"));
}

}  // namespace
}  // namespace onestep
