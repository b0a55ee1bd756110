// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "evaluation/projected_distance.h"
#include "evaluation/random_features.h"

namespace onestep {
namespace {

TEST_CASE("MIND of a translation is 3 |delta|^2 on average over directions") {
  for (int64_t d : {1, 2, 16, 64}) {
    const at::Tensor x = normal_features(1, 50, d), delta = normal_features(2, 1, d);
    const Estimate mind = projected_distance(x + delta, x, 3, 4000);
    const double expected = 3.0 * delta.square().sum().item<double>();
    CAPTURE(d, mind.value, expected, *mind.se);
    if (d == 1) {  // both directions see all of it
      CHECK(mind.value == Approx(expected).epsilon(1e-12));
      CHECK(*mind.se < 1e-12 * expected);
      continue;
    }
    CHECK(std::abs(mind.value - expected) < 4.0 * *mind.se);
    // (θᵀδ)² d/‖δ‖² is d times a Beta(½, (d−1)/2): variance 2 (d−1)/(d+2).
    const double spread = std::sqrt(2.0 * static_cast<double>(d - 1) / static_cast<double>(d + 2));
    CHECK(*mind.se == Approx(expected * spread / std::sqrt(4000.0)).epsilon(0.1));
  }
}

TEST_CASE("MIND of isotropic scaling: 3 (c - 1)^2 times the mean square") {
  // Every projection of c x is c times that of x, in the same order. E (θᵀx)² = ‖x‖²/d.
  const at::Tensor x = normal_features(4, 200, 8);
  const Estimate mind = projected_distance(1.5 * x, x, 5, 2000);
  const double expected = 3.0 * 0.25 * x.square().sum(1).mean().item<double>();
  CHECK(std::abs(mind.value - expected) < 4.0 * *mind.se);
  CHECK(mind.value == Approx(expected).epsilon(0.03));
}

TEST_CASE("in one dimension MIND is 3 W2^2: values by hand, equal and different sizes") {
  const auto column = [](std::initializer_list<double> values) {
    return at::tensor(at::ArrayRef<double>(values), at::kDouble).unsqueeze(1);
  };
  // Sorted: (0, 1, 4) against (1, 1, 2): (1 + 0 + 4)/3.
  CHECK(projected_distance(column({4, 0, 1}), column({1, 2, 1}), 0, 4).value == Approx(5.0));
  // (0, 6) against (0, 3, 6): pieces 1/3, 1/6, 1/6, 1/3 with gaps 0, 3, 3, 0.
  CHECK(projected_distance(column({6, 0}), column({3, 6, 0}), 0, 4).value == Approx(9.0));
  // (2) against anything: its second moment about 2.
  CHECK(projected_distance(column({2}), column({1, 2, 5}), 0, 4).value == Approx(10.0));
}

TEST_CASE("sets of different sizes are compared as laws") {
  const at::Tensor x = normal_features(6, 12, 5), y = normal_features(7, 18, 5) + 0.3;
  const Estimate plain = projected_distance(x, y, 8, 100);
  // Both repeated to 36 rows: the same two laws, equal sizes.
  const Estimate repeated = projected_distance(x.repeat({3, 1}), y.repeat({2, 1}), 8, 100);
  CHECK(plain.value == Approx(repeated.value).epsilon(1e-12));
  CHECK(*plain.se == Approx(*repeated.se).epsilon(1e-12));
  CHECK(projected_distance(y, x, 8, 100).value == Approx(plain.value).epsilon(1e-12));
  CHECK(std::abs(projected_distance(x.repeat({7, 1}), x, 8, 100).value) < 1e-24);
}

TEST_CASE("MIND does not depend on the order of rows, tiles or the input's precision; it does on the seed") {
  const at::Tensor x = normal_features(9, 5000, 3), y = 1.1 * normal_features(10, 4500, 3);
  const double value = projected_distance(x, y, 11).value;
  CHECK(projected_distance(x.flip(0), y.flip(0), 11).value == Approx(value).epsilon(1e-12));
  // 50 rows take all 1000 directions at once; the same law as 5000 rows, in groups of 419 and two tiles.
  const at::Tensor few = x.narrow(0, 0, 50), others = y.narrow(0, 0, 40);
  CHECK(projected_distance(few.repeat({100, 1}), others.repeat({125, 1}), 11).value ==
        Approx(projected_distance(few, others, 11).value).epsilon(1e-12));
  const at::Tensor x32 = x.to(at::kFloat), y32 = y.to(at::kFloat);
  CHECK(projected_distance(x32, y32, 11, 50).value ==
        projected_distance(x32.to(at::kDouble), y32.to(at::kDouble), 11, 50).value);
  CHECK_FALSE(projected_distance(x, y, 12, 50).value == projected_distance(x, y, 11, 50).value);
  // One at a time gives what all at once do.
  const Estimate three = projected_distance(x, y, 11, 3), two = projected_distance(x, y, 11, 2),
                 one = projected_distance(x, y, 11, 1);
  const double second = 2.0 * two.value - one.value, third = 3.0 * three.value - 2.0 * two.value;
  CHECK(second > 0);
  CHECK(third > 0);
  CHECK_FALSE(second == Approx(one.value));
  CHECK_FALSE(one.se.has_value());
  CHECK(*two.se == Approx(std::abs(second - one.value) / 2.0));  // sd/√2 of two values
}

TEST_CASE("the standard error of MIND is its spread over seeds") {
  const at::Tensor x = normal_features(12, 60, 6).matmul(normal_features(13, 6, 6)),
                   y = normal_features(14, 50, 6);
  double mean = 0, square = 0, predicted = 0;
  constexpr int kReplications = 400;
  for (uint64_t seed = 0; seed < kReplications; ++seed) {
    const Estimate mind = projected_distance(x, y, seed, 40);
    mean += mind.value / kReplications;
    square += mind.value * mind.value / kReplications;
    predicted += *mind.se * *mind.se / kReplications;
  }
  const double ratio = std::sqrt(predicted / (square - mean * mean));
  CAPTURE(ratio);
  CHECK(ratio > 0.88);
  CHECK(ratio < 1.14);
}

TEST_CASE("MIND refuses what it cannot compare") {
  const at::Tensor x = normal_features(1, 9, 3);
  CHECK_THROWS_WITH(projected_distance(x, normal_features(1, 9, 4), 0),
                    Catch::Contains("widths differ, 3 and 4"));
  CHECK_THROWS_WITH(projected_distance(x, x, 0, 0), Catch::Contains("0 projections"));
  CHECK_THROWS_WITH(projected_distance(x, x.to(at::kLong), 0), Catch::Contains("must be floating"));
  CHECK_THROWS_WITH(projected_distance(x.narrow(0, 0, 0), x, 0), Catch::Contains("must be floating [N, d]"));
}

}  // namespace
}  // namespace onestep
