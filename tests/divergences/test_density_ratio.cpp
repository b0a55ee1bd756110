// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "divergences/close.h"
#include "divergences/density_ratio.h"

namespace onestep {
namespace {

const RatioConfig kWide{.logit_clamp = 80, .minimum = 1e-30, .maximum = 1e30};

TEST_CASE("the ratio is the exponential of a sample's mean logit") {
  const at::Tensor logits = at::tensor({1.0, 3.0, -2.0, 0.5}, at::kDouble).view({2, 2});
  CHECK(worst_relative_error(density_ratio(logits, kWide),
                             at::tensor({std::exp(2.0), std::exp(-0.75)}, at::kDouble)) < 1e-15);
  CHECK(density_ratio(logits.flatten(), kWide).sizes() == at::IntArrayRef{4});
  CHECK(density_ratio(logits.view({2, 1, 2, 1}), kWide).equal(density_ratio(logits, kWide)));
}

TEST_CASE("the mean logit is clamped, then the ratio") {
  // One wild logit must not be clamped alone: the mean of 40 and -30 is 5.
  const at::Tensor logits = at::tensor({40.0, -30.0, 50.0, 60.0, -50.0, -60.0}, at::kDouble).view({3, 2});
  const RatioConfig ten{.logit_clamp = 10, .minimum = 1e-30, .maximum = 1e30};
  CHECK(worst_relative_error(density_ratio(logits, ten),
                             at::tensor({std::exp(5.0), std::exp(10.0), std::exp(-10.0)}, at::kDouble)) <
        1e-15);
  const at::Tensor bounded = density_ratio(logits, {.logit_clamp = 10, .minimum = 0.1, .maximum = 20});
  CHECK(bounded.equal(at::tensor({20.0, 20.0, 0.1}, at::kDouble)));
}

TEST_CASE("ratios are float32 unless logits are float64, without gradient, and NaN shows") {
  const at::Tensor half = at::full({3, 2}, 1.5, at::kHalf);
  CHECK(density_ratio(half, {}).scalar_type() == at::kFloat);
  CHECK(worst_relative_error(density_ratio(half, {}), at::full({3}, std::exp(1.5), at::kDouble)) < 1e-6);
  CHECK(density_ratio(half.to(at::kBFloat16), {}).scalar_type() == at::kFloat);
  CHECK(density_ratio(half.to(at::kDouble), {}).scalar_type() == at::kDouble);
  CHECK_FALSE(density_ratio(half.to(at::kFloat).requires_grad_(), {}).requires_grad());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(density_ratio(at::full({1}, nan, at::kFloat), {}).item<float>()));
  CHECK_THROWS_WITH(density_ratio(at::full({3}, 1, at::kLong), {}),
                    Catch::Contains("logits must be floating"));
}

TEST_CASE("the configuration refuses empty ranges") {
  const auto read = [](const std::string& text) {
    return config::read<RatioConfig>(config::parse(text, "test.yaml"));
  };
  CHECK(read("{minimum: 0.1}").minimum == 0.1);
  CHECK_THROWS_WITH(read("{minimum: 3, maximum: 2}"), Catch::Contains("minimum must be below maximum"));
  CHECK_THROWS_WITH(read("{sigma_min: 90}"), Catch::Contains("sigma_min must be below sigma_max"));
  CHECK_THROWS_AS(read("{min_count: 1}"), config::ConfigError);  // a lone sample would become r = 1
  CHECK_THROWS_AS(read("{momentum: 1.5}"), config::ConfigError);
  CHECK_THROWS_AS(read("{bins: 0}"), config::ConfigError);
}

}  // namespace
}  // namespace onestep
