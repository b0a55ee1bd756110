// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <catch2/catch.hpp>

#include "evaluation/moments.h"
#include "evaluation/random_features.h"

namespace onestep {
namespace {

double largest_gap(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// The textbook two-pass covariance, on its own.
at::Tensor two_pass(const at::Tensor& x) {
  at::Tensor centred = x - x.mean(0);
  return centred.t().matmul(centred) / static_cast<double>(x.size(0) - 1);
}

Moments in_batches(const at::Tensor& x, int64_t batch) {
  Moments moments;
  for (const at::Tensor& rows : x.split(batch)) accumulate(moments, rows);
  return moments;
}

TEST_CASE("moments of three points by hand") {
  at::Tensor x = at::cat({at::zeros({1, 2}), at::ones({1, 2}), at::full({1, 2}, 5.0)});
  const Moments moments = moments_of(x);
  CHECK(moments.n == 3);
  CHECK(moments.mean[0].item<double>() == Approx(2.0));
  CHECK(covariance(moments)[0][1].item<double>() == Approx(7.0));  // (4 + 1 + 9) / 2, not / 3
}

TEST_CASE("moments do not depend on batches, order or shards") {
  at::Tensor x = normal_features(1, 501, 7);
  const at::Tensor expected = two_pass(x);
  for (int64_t batch : {1, 2, 64, 500, 501}) {
    const Moments moments = in_batches(x, batch);
    CHECK(moments.n == 501);
    CHECK(largest_gap(moments.mean, x.mean(0)) < 1e-14);
    CHECK(largest_gap(covariance(moments), expected) < 1e-13);
  }
  CHECK(largest_gap(covariance(in_batches(x.flip(0), 50)), expected) < 1e-13);

  const Moments left = in_batches(x.narrow(0, 0, 13), 4), right = in_batches(x.narrow(0, 13, 488), 100);
  CHECK(largest_gap(covariance(merge(left, right)), expected) < 1e-13);
  CHECK(largest_gap(covariance(merge(right, left)), expected) < 1e-13);
  CHECK(merge(Moments{}, left).n == 13);
  CHECK(merge(left, Moments{}).n == 13);
}

TEST_CASE("a large offset does not cancel") {
  at::Tensor x = normal_features(2, 400, 5) + 1e4;  // the raw second moment would lose 8 digits
  CHECK(largest_gap(covariance(in_batches(x, 7)), two_pass(x)) < 1e-11);
}

TEST_CASE("float32 features are promoted before anything is summed") {
  at::Tensor x = (normal_features(3, 5000, 3) + 100.0).to(at::kFloat);
  const Moments moments = moments_of(x);  // two blocks of rows
  CHECK(moments.mean.scalar_type() == at::kDouble);
  CHECK(largest_gap(covariance(moments), two_pass(x.to(at::kDouble))) < 1e-11);
}

TEST_CASE("moments refuse what they cannot hold") {
  Moments moments = moments_of(normal_features(4, 1, 3));
  CHECK_THROWS_WITH(covariance(moments), Catch::Contains("at least 2 samples, got 1"));
  CHECK_THROWS_WITH(accumulate(moments, normal_features(4, 2, 4)), Catch::Contains("width 4"));
  CHECK_THROWS_WITH(accumulate(moments, at::zeros({3})), Catch::Contains("[N, d]"));
}

}  // namespace
}  // namespace onestep
