// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/sort.h>
#include <catch2/catch.hpp>

#include "evaluation/subset_rows.h"

namespace onestep {
namespace {

TEST_CASE("subsets hold distinct rows and a full one is a permutation") {
  const at::Tensor rows = subset_rows(50, 200, 20, 1, 0);
  REQUIRE(rows.sizes() == at::IntArrayRef({200, 20}));
  const at::Tensor sorted = std::get<0>(at::sort(rows, 1));
  CHECK((sorted.narrow(1, 1, 19) > sorted.narrow(1, 0, 19)).all().item<bool>());
  CHECK(rows.min().item<int64_t>() >= 0);
  CHECK(rows.max().item<int64_t>() < 50);
  const at::Tensor all = subset_rows(50, 1, 50, 1, 0)[0];
  CHECK(std::get<0>(at::sort(all)).equal(at::arange(50)));
  CHECK_FALSE(all.equal(at::arange(50)));
}

TEST_CASE("a subset depends on its seed, use and number, not on how many or how large they are") {
  const at::Tensor rows = subset_rows(50, 8, 20, 1, 0);
  CHECK(subset_rows(50, 3, 20, 1, 0).equal(rows.narrow(0, 0, 3)));
  CHECK(subset_rows(50, 8, 5, 1, 0).equal(rows.narrow(1, 0, 5)));
  CHECK_FALSE(rows[0].equal(rows[1]));
  CHECK_FALSE(subset_rows(50, 8, 20, 2, 0).equal(rows));
  CHECK_FALSE(subset_rows(50, 8, 20, 1, 1).equal(rows));
}

TEST_CASE("every row is as likely in every place") {
  constexpr int64_t kSubsets = 20000, kN = 7;
  const at::Tensor rows = subset_rows(kN, kSubsets, kN, 3, 4);
  const double expected = static_cast<double>(kSubsets) / kN;
  for (int64_t place = 0; place < kN; ++place) {
    const at::Tensor counts = at::bincount(rows.select(1, place).contiguous(), {}, kN).to(at::kDouble);
    // χ² with 6 degrees of freedom: above 30 once in 25,000.
    CHECK(((counts - expected).square().sum() / expected).item<double>() < 30.0);
  }
}

TEST_CASE("subsets that cannot be are refused") {
  CHECK_THROWS_WITH(subset_rows(5, 1, 6, 0, 0), Catch::Contains("cannot take 6 of 5 rows"));
  CHECK_THROWS_WITH(subset_rows(5, 1, 0, 0, 0), Catch::Contains("cannot take 0 of 5 rows"));
  CHECK_THROWS_WITH(subset_rows(5, 0, 2, 0, 0), Catch::Contains("0 subsets"));
  CHECK_THROWS_WITH(subset_rows(5, 1, 2, 0, uint64_t{1} << 32), Catch::Contains("below 2^32"));
}

}  // namespace
}  // namespace onestep
