// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "losses/gaussian_kl.h"

using namespace onestep;

namespace {

/// ∫ q ln(q/p) of N(mean, std²) and N(0, 1), by the rectangle rule.
double divergence(double mean, double std) {
  const at::Tensor x = at::linspace(mean - 12 * std, mean + 12 * std, 100'001, at::kDouble);
  const at::Tensor log_q = -0.5 * ((x - mean) / std).square() - std::log(std), log_p = -0.5 * x.square();
  const double step = 24 * std / 100'000;
  return ((log_q.exp() * (log_q - log_p)).sum() * step / std::sqrt(2 * M_PI)).item<double>();
}

}  // namespace

TEST_CASE("gaussian_kl: the divergence of each row, by quadrature") {
  const at::Tensor mean = at::tensor({0.0, 1.5, -0.3, 0.2, 0.0, 0.0}, at::kDouble).view({3, 1, 1, 2});
  const at::Tensor std = at::tensor({1.0, 0.4, 2.0, 0.05, 1.0, 1.0}, at::kDouble).view({3, 1, 1, 2});
  const at::Tensor kl = gaussian_kl(mean, std);
  REQUIRE(kl.sizes() == at::IntArrayRef({3}));
  CHECK(kl[0].item<double>() == Approx(divergence(1.5, 0.4)).epsilon(1e-9));
  CHECK(kl[1].item<double>() == Approx(divergence(-0.3, 2.0) + divergence(0.2, 0.05)).epsilon(1e-9));
  CHECK(kl[2].item<double>() == Approx(0).margin(1e-15));
}
