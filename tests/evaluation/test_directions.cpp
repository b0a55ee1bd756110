// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/directions.h"
#include "evaluation/random_features.h"
#include "evaluation/transport.h"

namespace onestep {
namespace {

/// A Gaussian of given moments.
Gaussian gaussian(const at::Tensor& mean, const at::Tensor& sigma) {
  return fit_gaussian(Moments{101, mean, sigma * 100.0});
}

at::Tensor random_covariance(uint64_t seed, int64_t d) {
  const at::Tensor x = normal_features(seed, 3 * d, d);
  return x.t().matmul(x) / static_cast<double>(3 * d);
}

at::Tensor vector(uint64_t seed, int64_t d) {
  return normal_features(seed, 1, d)[0];
}

double total(const std::vector<Direction>& directions) {
  double sum = 0;
  for (const Direction& direction : directions) sum += direction.fid;
  return sum;
}

at::Tensor axes(const std::vector<Direction>& directions) {
  std::vector<at::Tensor> rows;
  for (const Direction& direction : directions) rows.push_back(direction.axis);
  return at::stack(rows);
}

/// Whether two vectors are one line.
bool parallel(const at::Tensor& a, const at::Tensor& b) {
  return std::abs(a.dot(b).item<double>()) > (1.0 - 1e-10) * (a.norm() * b.norm()).item<double>();
}

TEST_CASE("directions are orthonormal, fall, and sum to FID") {
  constexpr int64_t kD = 17;
  const Gaussian a = gaussian(vector(1, kD), random_covariance(2, kD)),
                 b = gaussian(vector(3, kD), random_covariance(4, kD));
  const auto all = fid_directions(a, b, 1000);
  REQUIRE(all.size() == kD);
  CHECK(total(all) == Approx(frechet_distance(a, b).value).epsilon(1e-12));
  CHECK(std::ranges::is_sorted(all, std::ranges::greater{}, &Direction::fid));
  const at::Tensor q = axes(all);
  CHECK((q.matmul(q.t()) - at::eye(kD, at::kDouble)).abs().max().item<double>() < 1e-12);
  CHECK((q.mv(a.mean - b.mean)).min().item<double>() >= 0.0);
  const auto few = fid_directions(a, b, 3);
  REQUIRE(few.size() == 3);
  CHECK(few[2].fid == all[2].fid);
  CHECK(fid_directions(a, b, 0).empty());
}

TEST_CASE("what lies along a direction is the mean squared displacement of samples along it") {
  constexpr int64_t kD = 5, kN = 400;
  const at::Tensor x = normal_features(5, kN, kD).matmul(normal_features(6, kD, kD)) + 0.4;
  const Gaussian a = fit_gaussian(x), b = gaussian(vector(7, kD), random_covariance(8, kD));
  const at::Tensor w = transport_root(a, b), z = x - a.mean;
  const at::Tensor moved = z.matmul(w).matmul(w.t()) + b.mean;
  const at::Tensor along = (x - moved).matmul(axes(fid_directions(a, b, kD)).t());
  const at::Tensor spread = along.var(0, /*unbiased=*/true) + along.mean(0).square();
  const auto directions = fid_directions(a, b, kD);
  for (int64_t i = 0; i < kD; ++i)
    CHECK(directions[static_cast<size_t>(i)].fid == Approx(spread[i].item<double>()).epsilon(1e-9));
}

TEST_CASE("a shift of the mean is one direction") {
  constexpr int64_t kD = 8;
  const at::Tensor sigma = random_covariance(9, kD), mean = vector(10, kD), shift = vector(11, kD);
  const auto directions = fid_directions(gaussian(mean + shift, sigma), gaussian(mean, sigma), kD);
  const double squared = shift.square().sum().item<double>();
  CHECK(directions[0].fid == Approx(squared).epsilon(1e-12));
  CHECK((directions[0].axis - shift / shift.norm()).abs().max().item<double>() < 1e-10);  // sign and all
  CHECK(directions[1].fid < 1e-12 * squared);
}

TEST_CASE("a stretched axis is one direction, the gap of deviations squared") {
  constexpr int64_t kD = 6;
  const at::Tensor q = std::get<0>(at::linalg_qr(normal_features(12, kD, kD)));
  at::Tensor plain = vector(13, kD).exp(), stretched = plain.clone();
  stretched[2] *= 2.89;
  const at::Tensor zero = at::zeros({kD}, at::kDouble);
  const auto turned = [&](const at::Tensor& d) { return q.matmul(at::diag(d)).matmul(q.t()); };
  const double expected = 0.49 * plain[2].item<double>();  // (√2.89 − 1)²
  for (const bool wider : {true, false}) {
    const Gaussian a = gaussian(zero, turned(stretched)), b = gaussian(zero, turned(plain));
    const auto directions = wider ? fid_directions(a, b, 2) : fid_directions(b, a, 2);
    CHECK(directions[0].fid == Approx(expected).epsilon(1e-12));
    CHECK(parallel(directions[0].axis, q.select(1, 2)));
    CHECK(directions[1].fid < 1e-12 * expected);
  }
}

TEST_CASE("directions still sum to FID with as few samples as dimensions, on either side or both") {
  static constexpr int64_t kD = 12;
  const at::Tensor few = normal_features(14, 7, kD), fewer = normal_features(15, 4, kD) + 0.5,
                   many = normal_features(16, 90, kD) * 1.3;
  const auto check = [](const Gaussian& a, const Gaussian& b) {
    const auto directions = fid_directions(a, b, kD);
    REQUIRE(directions.size() == kD);
    CHECK(total(directions) == Approx(frechet_distance(a, b).value).epsilon(1e-12));
  };
  check(fit_gaussian(few), fit_gaussian(many));
  check(fit_gaussian(many), fit_gaussian(few));
  check(fit_gaussian(few), fit_gaussian(fewer));
  CHECK(total(fid_directions(fit_gaussian(few), fit_gaussian(few), kD)) < 1e-12);
}

TEST_CASE("a direction that samples never take is lost with all of the reference's spread") {
  const at::Tensor zero = at::zeros({3}, at::kDouble);
  at::Tensor flat = vector(17, 3).exp(), full = flat.clone();
  flat[1] = 0.0;
  full[1] = 4.0;
  const auto directions = fid_directions(gaussian(zero, at::diag(flat)), gaussian(zero, at::diag(full)), 3);
  CHECK(directions[0].fid == Approx(4.0).epsilon(1e-12));
  CHECK(std::abs(directions[0].axis[1].item<double>()) == Approx(1.0).epsilon(1e-12));
  CHECK(directions[1].fid < 1e-12);
}

TEST_CASE("directions of different spaces are refused") {
  const Gaussian a = fit_gaussian(normal_features(1, 9, 3)), b = fit_gaussian(normal_features(1, 9, 4));
  CHECK_THROWS_WITH(fid_directions(a, b, 1), Catch::Contains("widths differ, 3 and 4"));
  CHECK_THROWS_WITH(fid_directions(a, a, -1), Catch::Contains("-1 directions"));
}

}  // namespace
}  // namespace onestep
