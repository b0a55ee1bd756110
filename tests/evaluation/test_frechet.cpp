// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/frechet.h"
#include "evaluation/random_features.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

/// A Gaussian of given moments: scatter = Σ (N − 1), so that the fit sees exactly Σ.
Gaussian gaussian(const at::Tensor& mean, const at::Tensor& sigma) {
  return fit_gaussian(Moments{101, mean.to(at::kDouble), sigma * 100.0});
}

at::Tensor random_covariance(uint64_t seed, int64_t d) {
  at::Tensor x = normal_features(seed, 3 * d, d);
  return x.t().matmul(x) / static_cast<double>(3 * d);
}

at::Tensor vector(uint64_t seed, int64_t d) {
  return normal_features(seed, 1, d)[0];
}

double total_variance(const at::Tensor& sigma) {
  return sigma.diagonal().sum().item<double>();
}

TEST_CASE("equal covariances leave the distance of the means") {
  at::Tensor sigma = random_covariance(1, 12), a = vector(2, 12), b = vector(3, 12);
  const Frechet fid = frechet_distance(gaussian(a, sigma), gaussian(b, sigma));
  const double expected = (a - b).square().sum().item<double>();
  CHECK(fid.value == Approx(expected).epsilon(1e-12));
  CHECK(fid.mean_term == Approx(expected).epsilon(1e-14));
  CHECK(std::abs(fid.covariance_term) < 1e-12 * total_variance(sigma));
}

TEST_CASE("diagonal covariances: the sum of squared differences of standard deviations") {
  at::Tensor a = vector(4, 9).exp(), b = vector(5, 9).exp(), zero = at::zeros({9});
  const Frechet fid = frechet_distance(gaussian(zero, at::diag(a)), gaussian(zero, at::diag(b)));
  CHECK(fid.value == Approx((a.sqrt() - b.sqrt()).square().sum().item<double>()).epsilon(1e-12));
}

TEST_CASE("a scaled covariance: (sqrt c - 1)^2 tr") {
  at::Tensor sigma = random_covariance(6, 20), zero = at::zeros({20});
  const Frechet fid = frechet_distance(gaussian(zero, 4.0 * sigma), gaussian(zero, sigma));
  CHECK(fid.value == Approx(total_variance(sigma)).epsilon(1e-12));
}

TEST_CASE("a shared rotation changes nothing, and the distance is symmetric") {
  at::Tensor s1 = random_covariance(7, 10), s2 = random_covariance(8, 10), a = vector(9, 10),
             b = vector(10, 10);
  at::Tensor q = std::get<0>(at::linalg_qr(normal_features(11, 10, 10)));
  const auto turned = [&](const at::Tensor& s) { return q.matmul(s).matmul(q.t()); };
  const double plain = frechet_distance(gaussian(a, s1), gaussian(b, s2)).value;
  const double rotated = frechet_distance(gaussian(q.mv(a), turned(s1)), gaussian(q.mv(b), turned(s2))).value;
  CHECK(plain > 0.1);
  CHECK(rotated == Approx(plain).epsilon(1e-12));
  CHECK(frechet_distance(gaussian(b, s2), gaussian(a, s1)).value == Approx(plain).epsilon(1e-13));
}

TEST_CASE("a covariance that does not commute with the other, by the 2 x 2 closed form") {
  // tr (AB)^½ of 2 x 2 matrices is √(tr AB + 2 √det AB).
  at::Tensor a = random_covariance(12, 2), b = random_covariance(13, 2), zero = at::zeros({2});
  const auto det = [](const at::Tensor& m) { return (m[0][0] * m[1][1] - m[0][1] * m[1][0]).item<double>(); };
  const double root = std::sqrt(total_variance(a.matmul(b)) + 2.0 * std::sqrt(det(a) * det(b)));
  CHECK(frechet_distance(gaussian(zero, a), gaussian(zero, b)).value ==
        Approx(total_variance(a) + total_variance(b) - 2.0 * root).epsilon(1e-12));
}

TEST_CASE("a set is at distance zero from itself, also with fewer samples than dimensions") {
  for (int64_t n : {20, 64, 65, 400}) {
    CAPTURE(n);
    at::Tensor x = 3.0 * normal_features(14, n, 64) + 5.0;
    const Gaussian fitted = fit_gaussian(x);
    CHECK(fitted.method == (n <= 64 ? "thin" : "cholesky"));
    CHECK(fitted.rank == std::min<int64_t>(n - 1, 64));
    const double scale = fitted.root.square().sum().item<double>();
    CHECK(std::abs(frechet_distance(fitted, fitted).value) < 1e-10 * scale);
    // The same set in another order, through another route.
    const Gaussian again = fit_gaussian(moments_of(x.flip(0)));
    CHECK(std::abs(frechet_distance(fitted, again).value) < 1e-10 * scale);
  }
}

TEST_CASE("the three routes agree") {
  at::Tensor x = normal_features(15, 90, 30), y = 1.5 * normal_features(16, 70, 30) + 0.2;
  const double cholesky = frechet_distance(fit_gaussian(x), fit_gaussian(y)).value;
  REQUIRE(fit_gaussian(x).method == "cholesky");
  // A dead feature makes both covariances singular and adds nothing.
  const auto widened = [](const at::Tensor& f) {
    return at::cat({f, at::zeros({f.size(0), 1}, f.options())}, 1);
  };
  REQUIRE(fit_gaussian(widened(x)).method == "eigen");
  CHECK(fit_gaussian(widened(x)).rank == 30);
  CHECK(frechet_distance(fit_gaussian(widened(x)), fit_gaussian(widened(y))).value ==
        Approx(cholesky).epsilon(1e-12));
  // 170 dead features: thin roots.
  const auto wide = [](const at::Tensor& f) {
    return at::cat({f, at::zeros({f.size(0), 170}, f.options())}, 1);
  };
  REQUIRE(fit_gaussian(wide(x)).method == "thin");
  CHECK(frechet_distance(fit_gaussian(wide(x)), fit_gaussian(wide(y))).value ==
        Approx(cholesky).epsilon(1e-12));
}

TEST_CASE("a covariance that is singular to rounding is not taken for positive definite") {
  at::Tensor sigma = at::diag(vector(17, 3).exp());
  sigma[2][2] = 1e-18;  // factorisation succeeds on it
  const Gaussian fitted = gaussian(at::zeros({3}), sigma);
  CHECK(fitted.method == "eigen");
  CHECK(fitted.rank == 2);
}

TEST_CASE("FID of reference features") {
  const std::string name =
      GENERATE("features_full_f64", "features_full_f32", "features_low_rank", "features_rank_deficient");
  CAPTURE(name);
  const auto file =
      io::read_safetensors(std::string(ONESTEP_GOLDEN) + "/evaluation/" + name + ".safetensors");
  const Gaussian generated = fit_gaussian(file.at("features_1")), real = fit_gaussian(file.at("features_2"));
  const double expected = file.at("value/fid_nuclear_norm").item<double>();
  CHECK(frechet_distance(generated, real).value == Approx(expected).epsilon(1e-8));
  CHECK(frechet_distance(real, generated).value == Approx(expected).epsilon(1e-8));
}

TEST_CASE("FID of reference statistics, without their features") {
  const std::string name = GENERATE("features_full_f64", "features_low_rank", "features_rank_deficient");
  CAPTURE(name);
  const auto file =
      io::read_safetensors(std::string(ONESTEP_GOLDEN) + "/evaluation/" + name + ".safetensors");
  const Gaussian generated = fit_gaussian({file.at("mu_1"), file.at("sigma_1")}, 400);
  const Gaussian real = fit_gaussian({file.at("mu_2"), file.at("sigma_2")}, 0);
  CHECK(frechet_distance(generated, real).value ==
        Approx(file.at("value/fid_nuclear_norm").item<double>()).epsilon(1e-8));
  CHECK(generated.n == 400);
  CHECK(real.n == 0);
  // With the features or without them.
  CHECK(std::abs(frechet_distance(generated, fit_gaussian(file.at("features_1"))).value) <
        1e-10 * total_variance(file.at("sigma_1")));
}

TEST_CASE("bias at equality is what equal laws show on average") {
  // Diagonal law with unequal variances; both sets sampled. 400 replications: error of the mean about 2 %.
  constexpr int64_t kD = 6, kN = 300, kReference = 500;
  at::Tensor scale = at::arange(1, kD + 1, at::kDouble).sqrt();
  const Gaussian law = gaussian(at::zeros({kD}), at::diag(scale.square()));
  double sum = 0;
  constexpr int kReplications = 400;
  for (int i = 0; i < kReplications; ++i) {
    at::Tensor x = scale * normal_features(1000 + 2 * i, kN, kD);
    at::Tensor y = scale * normal_features(1001 + 2 * i, kReference, kD);
    sum += frechet_distance(fit_gaussian(x), fit_gaussian(y)).value;
  }
  CHECK(bias_at_equality(law, kN, kReference) == Approx(sum / kReplications).epsilon(0.06));
  CHECK(bias_at_equality(law, kN, 0) ==
        Approx(bias_at_equality(law, kN, kReference) * (1.0 / kN) / (1.0 / kN + 1.0 / kReference)));
}

TEST_CASE("a distance between different widths is refused") {
  CHECK_THROWS_WITH(
      frechet_distance(fit_gaussian(normal_features(1, 9, 3)), fit_gaussian(normal_features(1, 9, 4))),
      Catch::Contains("widths differ"));
  CHECK_THROWS_WITH(fit_gaussian(normal_features(1, 1, 3)), Catch::Contains("at least 2 samples"));
}

}  // namespace
}  // namespace onestep
