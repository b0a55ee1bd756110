// SPDX-License-Identifier: Apache-2.0
// What is done to D before a solver sees it.
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "samplers/denoise_wrappers.h"
#include "samplers/toys.h"

using namespace onestep;

namespace {

at::Tensor row(std::vector<double> values) {
  return at::tensor(values, at::kDouble).unsqueeze(0);
}

/// D of this value everywhere.
Denoise constant(double value) {
  return [value](const at::Tensor& x, double) { return at::full_like(x, value); };
}

const Denoise kSame = [](const at::Tensor& x, double) { return x; };

}  // namespace

TEST_CASE("autoguidance leads away from the weaker model") {
  const at::Tensor x = row({0, 1});
  CHECK(at::equal(autoguided(constant(5), constant(3), 1)(x, 1), row({5, 5})));
  CHECK(at::equal(autoguided(constant(5), constant(3), 0)(x, 1), row({3, 3})));
  CHECK(at::equal(autoguided(constant(5), constant(3), 4)(x, 1), row({11, 11})));
  // The closed form of two Gaussians: the weights of D add up, shared design samplers §5, T5.
  const toys::Gaussian c{0, 0.2}, u{0, 0.5};
  const double sigma = 0.7, w = 15;
  const auto shrink = [&](double s) { return s * s / (s * s + sigma * sigma); };
  const at::Tensor guided = autoguided(c.denoise(), u.denoise(), w)(row({2}), sigma);
  CHECK(guided.item<double>() == Approx(2 * (w * shrink(0.2) - (w - 1) * shrink(0.5))));
}

TEST_CASE("guidance in an interval, its ends included") {
  const Denoise d = within(constant(1), constant(0), 0.5, 2);
  const auto [sigma, expected] =
      GENERATE(table<double, double>({{0.49, 0}, {0.5, 1}, {1, 1}, {2, 1}, {2.01, 0}}));
  CHECK(d(row({7}), sigma).item<double>() == expected);
}

TEST_CASE("a static threshold clips") {
  CHECK(at::equal(clipped(kSame)(row({-3, -1, -0.5, 0.2, 1, 1.5}), 1), row({-1, -1, -0.5, 0.2, 1, 1})));
}

TEST_CASE("a dynamic threshold divides by a percentile of each image") {
  // Sorted |D| of the first is 0, 1, 2, 4, 8; the median 2. The second's is below 1: left as it is.
  const at::Tensor x = at::cat({row({-8, 4, 0, 2, -1}), row({0.1, -0.2, 0.3, -0.4, 1.5})}).view({2, 1, 1, 5});
  const at::Tensor y = clipped_dynamically(kSame, 0.5)(x, 1);
  CHECK(y.sizes() == x.sizes());
  CHECK(toys::relative_error(y[0].flatten(), at::tensor({-1.0, 1.0, 0.0, 1.0, -0.5}, at::kDouble)) < 1e-15);
  CHECK(toys::relative_error(y[1].flatten(), at::tensor({0.1, -0.2, 0.3, -0.4, 1.0}, at::kDouble)) < 1e-15);
  // Between two of the sorted numbers the percentile interpolates: 0.875 is halfway from 4 to 8.
  CHECK(clipped_dynamically(kSame, 0.875)(x, 1)[0].flatten()[1].item<double>() == Approx(4. / 6));
  CHECK(clipped_dynamically(kSame, 1)(x, 1)[0].flatten()[0].item<double>() == -1);
}
