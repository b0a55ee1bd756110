// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/number_text.h"
#include "evaluation/random_features.h"
#include "evaluation/validity.h"
#include "evaluation/verdict.h"

namespace onestep {
namespace {

TEST_CASE("a verdict needs two standard errors and 1.3 per cent") {
  CHECK(judge({5.0, 0.1}, {7.0, 0.1}).outcome == Outcome::better);
  CHECK(judge({7.0, 0.1}, {5.0, 0.1}).outcome == Outcome::worse);
  CHECK(judge({7.0, 0.1}, {5.0, 0.1}).gap == Approx(2.0));
  CHECK(*judge({7.0, 0.3}, {5.0, 0.4}).se == Approx(0.5));
  // 2 x hypot(0.3, 0.4) = 1: just above and just below.
  CHECK(judge({6.01, 0.3}, {5.0, 0.4}).outcome == Outcome::worse);
  CHECK(judge({5.99, 0.3}, {5.0, 0.4}).outcome == Outcome::inconclusive);
  CHECK(judge({5.99, 0.3}, {5.0, 0.4}).within_noise);
  // 1.3 % of the larger: 0.13 of 10.
  CHECK(judge({9.88, 0.001}, {10.0, 0.001}).outcome == Outcome::inconclusive);
  CHECK(judge({9.86, 0.001}, {10.0, 0.001}).outcome == Outcome::better);
  // Without standard errors the second rule remains.
  CHECK(judge({9.86, {}}, {10.0, 0.1}).outcome == Outcome::better);
  CHECK_FALSE(judge({9.86, {}}, {10.0, 0.1}).se.has_value());
}

TEST_CASE("numbers are as precise as their errors") {
  CHECK(value_and_error(7.4035, 0.2134) == "7.40 ± 0.21");
  CHECK(value_and_error(36.912, 1.24) == "36.9 ± 1.2");
  CHECK(value_and_error(0.10712, 0.00613) == "0.1071 ± 0.0061");
  CHECK(value_and_error(1234.5, 34.0) == "1234 ± 34");
  CHECK(value_text(7.40351, {}) == "7.404");
  CHECK(value_and_error(2.3e-13, 5.3e-16) == "2.300e-13 ± 5.3e-16");  // a set against itself
  CHECK(number_text(0.0) == "0");
  CHECK(number_text(-3.2e-15) == "-3.20e-15");
  CHECK(number_text(-2.5) == "−2.50");
  CHECK(percent_text(0.7351) == "73.5 %");
}

TEST_CASE("duplicates are counted bit for bit") {
  at::Tensor x = normal_features(1, 6, 4);
  CHECK(count_duplicates(x) == 0);
  x[3] = x[0];
  x[5] = x[0];
  CHECK(count_duplicates(x) == 2);
  CHECK(count_duplicates(x.t().contiguous().t()) == 2);  // whatever the strides
  CHECK(count_duplicates(at::zeros({7, 1, 2, 2}, at::kByte)) == 6);
}

TEST_CASE("validity of a set of images") {
  FeatureSet set;
  set.features = normal_features(2, 4, 3);
  CHECK_FALSE(check_validity(set).constant_images.has_value());
  set.images = (normal_features(3, 4, 8) * 20.0 + 128.0).to(at::kByte).reshape({4, 2, 2, 2});
  set.images[1] = 255;
  set.predicted = at::tensor({0, 2, 2, 1}, at::kLong);
  CHECK_FALSE(check_validity(set).class_accuracy.has_value());
  set.labels = at::tensor({0, 2, 1, 1}, at::kLong);
  const Validity validity = check_validity(set);
  CHECK(validity.duplicates == 0);
  CHECK(*validity.constant_images == 1);
  CHECK(validity.class_counts == std::vector<int64_t>{1, 1, 2});
  CHECK(*validity.class_accuracy == Approx(0.75));
}

}  // namespace
}  // namespace onestep
