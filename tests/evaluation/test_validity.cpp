// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/random_features.h"
#include "evaluation/validity.h"

namespace onestep {
namespace {

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

TEST_CASE("duplicates point to the first row that they equal") {
  at::Tensor x = normal_features(1, 9, 3);
  CHECK(duplicate_pairs(x, 10).empty());
  x[4] = x[1];
  x[6] = x[2];
  x[8] = x[4];  // its first is row 1
  CHECK(duplicate_pairs(x, 10) == Pairs{{4, 1}, {6, 2}, {8, 1}});
  CHECK(duplicate_pairs(x, 2) == Pairs{{4, 1}, {6, 2}});
  CHECK(duplicate_pairs(x, 0).empty());
  CHECK(duplicate_pairs(x.t().contiguous().t(), 10).size() == 3);  // whatever the strides
  CHECK(count_duplicates(x) == 3);
}

TEST_CASE("a row that differs in one bit, the first or the last, is no duplicate") {
  at::Tensor x = at::zeros({4, 5, 2}, at::kByte);
  x[1][0][0] = 1;
  x[2][4][1] = 128;
  CHECK(duplicate_pairs(x, 10) == Pairs{{3, 0}});
}

TEST_CASE("a set known by its statistics alone has no duplicates to find") {
  CHECK(duplicate_pairs(at::Tensor(), 10).empty());
  CHECK_FALSE(check_validity({.source = "statistics"}).duplicates.has_value());
}

}  // namespace
}  // namespace onestep
