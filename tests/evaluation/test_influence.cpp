// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/outer.h>
#include <catch2/catch.hpp>

#include "evaluation/influence.h"
#include "evaluation/random_features.h"

namespace onestep {
namespace {

/// A generator's features: correlated, off-centre, so that mean and covariance both matter.
at::Tensor generated_features(uint64_t seed, int64_t n, int64_t d) {
  at::Tensor mixing = normal_features(77, d, d) * 0.4 + at::eye(d, at::kDouble);
  return normal_features(seed, n, d).matmul(mixing) + 0.3;
}

/// The Gaussian of weighted samples; weights sum to 1, nothing is made unbiased.
Gaussian weighted(const at::Tensor& x, const at::Tensor& weight) {
  at::Tensor mean = weight.matmul(x), centred = x - mean;
  at::Tensor sigma = (centred * weight.unsqueeze(1)).t().matmul(centred);
  return fit_gaussian(Moments{x.size(0), mean, sigma * static_cast<double>(x.size(0) - 1)});
}

TEST_CASE("influence is the derivative of FID towards a point mass") {
  constexpr int64_t kN = 60, kD = 5;
  at::Tensor x = generated_features(1, kN, kD);
  const Gaussian reference = fit_gaussian(normal_features(2, 200, kD));
  at::Tensor uniform = at::full({kN}, 1.0 / kN, at::kDouble);
  const at::Tensor values = influence(x, weighted(x, uniform), reference);
  constexpr double kStep = 1e-5;
  for (int64_t i : {0, 7, 31, 59}) {
    const auto fid = [&](double step) {  // (1 − step) P + step δ_i; a negative step takes the sample away
      at::Tensor weight = uniform * (1.0 - step);
      weight[i] += step;
      return frechet_distance(weighted(x, weight), reference).value;
    };
    const double slope = (fid(kStep) - fid(-kStep)) / (2.0 * kStep);
    CHECK(values[i].item<double>() == Approx(slope).epsilon(1e-6));
  }
}

TEST_CASE("the same derivative where both covariances are singular") {
  constexpr int64_t kN = 60;
  at::Tensor flat = normal_features(5, 4, 7);  // features live in a 4-dimensional plane of 7
  at::Tensor x = generated_features(1, kN, 4).matmul(flat);
  const Gaussian reference = fit_gaussian(normal_features(2, 200, 4).matmul(flat));
  at::Tensor uniform = at::full({kN}, 1.0 / kN, at::kDouble);
  REQUIRE(weighted(x, uniform).rank == 4);
  const at::Tensor values = influence(x, weighted(x, uniform), reference);
  constexpr double kStep = 1e-5;
  for (int64_t i : {3, 40}) {
    const auto fid = [&](double step) {
      at::Tensor weight = uniform * (1.0 - step);
      weight[i] += step;
      return frechet_distance(weighted(x, weight), reference).value;
    };
    const double slope = (fid(kStep) - fid(-kStep)) / (2.0 * kStep);
    CHECK(values[i].item<double>() == Approx(slope).epsilon(1e-5));
  }
}

TEST_CASE("influence has mean zero, vanishes at equality and finds the outlier") {
  at::Tensor x = generated_features(3, 500, 6);
  const Gaussian generated = fit_gaussian(x), reference = fit_gaussian(normal_features(4, 900, 6));
  const at::Tensor values = influence(x, generated, reference);
  CHECK(std::abs(values.mean().item<double>()) < 1e-12);
  CHECK(values.std().item<double>() > 0.1);
  CHECK(influence(x, generated, generated).abs().max().item<double>() < 1e-9);

  at::Tensor spoiled = normal_features(4, 900, 6);
  spoiled[123] += 30.0;
  CHECK(influence(spoiled, fit_gaussian(spoiled), reference).argmax().item<int64_t>() == 123);
}

TEST_CASE("the standard error is the spread of FID over fresh samples") {
  constexpr int64_t kD = 4, kN = 400;
  constexpr int kReplications = 300;  // the empirical spread is known to 4 %
  const Gaussian reference = fit_gaussian(normal_features(6, 5000, kD));
  std::vector<double> fids;
  double predicted = 0;
  for (int i = 0; i < kReplications; ++i) {
    at::Tensor x = generated_features(100 + static_cast<uint64_t>(i), kN, kD);
    const Gaussian generated = fit_gaussian(x);
    fids.push_back(frechet_distance(generated, reference).value);
    predicted += influence_standard_error(influence(x, generated, reference), kD).value() / kReplications;
  }
  double mean = 0, variance = 0;
  for (double fid : fids) mean += fid / kReplications;
  for (double fid : fids) variance += (fid - mean) * (fid - mean) / (kReplications - 1);
  const double ratio = predicted / std::sqrt(variance);
  CAPTURE(mean, predicted, variance);
  CHECK(ratio > 0.88);
  CHECK(ratio < 1.12);
}

TEST_CASE("no standard error with as few samples as dimensions") {
  at::Tensor x = normal_features(8, 20, 20);
  const Gaussian reference = fit_gaussian(normal_features(9, 50, 20));
  CHECK_FALSE(influence_standard_error(influence(x, fit_gaussian(x), reference), 20).has_value());
  at::Tensor enough = normal_features(8, 21, 20);
  CHECK(influence_standard_error(influence(enough, fit_gaussian(enough), reference), 20).has_value());
}

}  // namespace
}  // namespace onestep
