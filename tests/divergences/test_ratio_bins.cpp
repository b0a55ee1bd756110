// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "divergences/close.h"
#include "divergences/ratio_bins.h"
#include "kernels/philox.h"

namespace onestep {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Bins [0.01, 0.1), [0.1, 1), [1, 10), [10, 100).
RatioConfig decades() {
  return {.bins = 4, .momentum = 0.75, .min_count = 2, .sigma_min = 0.01, .sigma_max = 100};
}

at::Tensor floats(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

TEST_CASE("bins are equal in ln sigma, and the end bins take what lies outside") {
  const at::Tensor inside = at::tensor({0.0101, 0.099, 0.101, 0.99, 1.01, 9.9, 10.1, 99.0}, at::kDouble);
  CHECK(ratio_bin(inside, decades()).equal(at::tensor({0, 0, 1, 1, 2, 2, 3, 3}, at::kLong)));
  CHECK(ratio_bin(inside.to(at::kFloat), decades()).equal(ratio_bin(inside, decades())));
  const at::Tensor outside = at::tensor({1e-9, 0.0, 1e9, kInfinity}, at::kDouble);
  CHECK(ratio_bin(outside, decades()).equal(at::tensor({0, 0, 3, 3}, at::kLong)));
  const int64_t lost = ratio_bin(at::full({1}, kNan, at::kFloat), decades()).item<int64_t>();
  CHECK((lost >= 0 && lost < 4));  // any bin, but one that exists
  // The middles of 16 bins, in order.
  const RatioConfig many{.bins = 16, .sigma_min = 0.002, .sigma_max = 80};
  const at::Tensor k = at::arange(16, at::kDouble);
  CHECK(ratio_bin(0.002 * ((k + 0.5) / 16 * std::log(80 / 0.002)).exp(), many).equal(k.to(at::kLong)));
}

TEST_CASE("a bin's mean moves by momentum, an empty bin's stays") {
  const RatioConfig c = decades();
  const at::Tensor r = floats({2, 4, 0.5, 0.5, 0.8}), sigma = floats({0.05, 0.05, 20, 20, 20});
  const RatioBins once = updated(make_ratio_bins(c, at::kCPU), bin_sums(r, sigma, c), c);
  CHECK(worst_relative_error(once.mean, floats({0.75 + 0.25 * 3, 1, 1, 0.75 + 0.25 * 0.6})) < 1e-6);
  CHECK(once.pending_count.equal(at::zeros({4})));
  CHECK(once.pending_ratio.equal(at::zeros({4})));
  const RatioBins twice = updated(once, bin_sums(r.narrow(0, 0, 2), sigma.narrow(0, 0, 2), c), c);
  CHECK(worst_relative_error(twice.mean, floats({0.75 * 1.5 + 0.25 * 3, 1, 1, 0.9})) < 1e-6);
}

TEST_CASE("a lone sample does not become r = 1, and is not forgotten") {
  const RatioConfig c = decades();
  const at::Tensor r = floats({4}), sigma = floats({0.5});
  const RatioBins one = updated(make_ratio_bins(c, at::kCPU), bin_sums(r, sigma, c), c);
  CHECK(one.mean.equal(at::ones({4})));
  CHECK(normalise_ratio(r, sigma, one, c).item<double>() == 4);
  const RatioBins two = updated(one, bin_sums(floats({2}), sigma, c), c);  // now there are two
  CHECK(worst_relative_error(two.mean, floats({1, 0.75 + 0.25 * 3, 1, 1})) < 1e-6);
  CHECK(two.pending_count.sum().item<double>() == 0);
}

TEST_CASE("sums add up over any split, and updating leaves the old state alone") {
  const RatioConfig c = decades();
  const at::Tensor r = floats({2, 4, 0.5, 0.25, 8, 1}), sigma = floats({0.05, 0.5, 5, 50, 0.06, 0.7});
  const BinSums whole = bin_sums(r, sigma, c);
  BinSums parts = bin_sums(r.narrow(0, 0, 2), sigma.narrow(0, 0, 2), c);
  parts += bin_sums(r.narrow(0, 2, 4), sigma.narrow(0, 2, 4), c);
  CHECK(parts.ratio.equal(whole.ratio));
  CHECK(parts.count.equal(whole.count));
  CHECK(whole.ratio.equal(floats({10, 5, 0.5, 0.25})));
  CHECK(whole.count.equal(floats({2, 2, 1, 1})));
  const RatioBins start = make_ratio_bins(c, at::kCPU);
  updated(start, whole, c);
  CHECK(start.mean.equal(at::ones({4})));
  CHECK(start.pending_count.equal(at::zeros({4})));
}

TEST_CASE("ratios that are not finite leave the state finite") {
  const RatioConfig c = decades();
  const at::Tensor sigma = floats({0.5, 0.5, 0.5, 0.5});
  const BinSums sums = bin_sums(floats({3, kNan, kInfinity, 1}), sigma, c);
  CHECK(sums.count.equal(floats({0, 2, 0, 0})));
  const RatioBins bins = updated(make_ratio_bins(c, at::kCPU), sums, c);
  CHECK(worst_relative_error(bins.mean, floats({1, 1.25, 1, 1})) < 1e-6);
  const at::Tensor used = normalise_ratio(floats({3, kNan, 1, 1}), sigma, bins, c);
  CHECK(used.isnan().sum().item<int64_t>() == 1);  // the bad sample shows, the others do not suffer
}

TEST_CASE("a normalised ratio keeps its bounds, and an unnormalised one is untouched") {
  RatioConfig c = decades();
  c.minimum = 0.1;
  c.maximum = 20;
  RatioBins bins = make_ratio_bins(c, at::kCPU);
  bins.mean = floats({0.1, 2, 1, 15});
  const at::Tensor r = floats({10, 3, 0.5, 0.5}), sigma = floats({0.05, 0.5, 5, 50});
  CHECK(worst_relative_error(normalise_ratio(r, sigma, bins, c), floats({20, 1.5, 0.5, 0.1})) < 1e-6);
  CHECK(normalise_ratio(r.to(at::kDouble), sigma, bins, c).scalar_type() == at::kDouble);
  c.normalise = false;
  CHECK(normalise_ratio(r, sigma, bins, c).equal(r));
  CHECK_THROWS_WITH(bin_sums(r, sigma.narrow(0, 0, 3), c), Catch::Contains("must be [N]"));
}

// A discriminator whose scale is off by a factor of the noise level: after a while E_q[r] = 1 in every bin.
TEST_CASE("the mean of the normalised ratio goes to 1 in every bin") {
  const RatioConfig c{.minimum = 1e-3,
                      .maximum = 1e3,
                      .bins = 6,
                      .momentum = 0.9,
                      .min_count = 16,
                      .sigma_min = 0.01,
                      .sigma_max = 100};
  const auto draw = [&](int64_t step, int64_t n) {
    const at::Tensor index = at::arange(step * n, (step + 1) * n, at::kLong);
    const at::Tensor u = kernels::philox_uniform(1, 0, index, {}, at::kCPU);
    const at::Tensor z = kernels::philox_normal(1, 1, index, {}, at::kCPU);
    const at::Tensor sigma = 0.01 * (u * std::log(1e4)).exp();
    // E[exp(z/2 − 1/8)] = 1, times a scale from 0.2 to 5.
    return std::pair(
        sigma,
        (0.5 * z - 0.125).exp() *
            at::tensor({0.2, 0.5, 1.0, 1.5, 3.0, 5.0}, at::kFloat).index_select(0, ratio_bin(sigma, c)));
  };
  RatioBins bins = make_ratio_bins(c, at::kCPU);
  for (int64_t step = 0; step < 400; ++step) {
    const auto [sigma, r] = draw(step, 32);
    bins = updated(bins, bin_sums(r, sigma, c), c);
  }
  const auto [sigma, r] = draw(100, 200000);
  const BinSums before = bin_sums(r, sigma, c),
                after = bin_sums(normalise_ratio(r, sigma, bins, c), sigma, c);
  CHECK((before.ratio / before.count - 1).abs().max().item<double>() > 3);
  CHECK((after.ratio / after.count - 1).abs().max().item<double>() < 0.15);
}

}  // namespace
}  // namespace onestep
