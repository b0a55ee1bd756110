// SPDX-License-Identifier: Apache-2.0
#include "evaluation/frechet.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_svdvals.h>

#include "evaluation/rounding.h"

namespace onestep {
namespace {

double scalar(const at::Tensor& value) {
  return value.item<double>();
}

/// tr Σ = ‖R‖².
double trace(const Gaussian& law) {
  return scalar(law.root.square().sum());
}

/// How many singular values are more than rounding of the largest. `sizes` is the larger side of the matrix.
int64_t numerical_rank(const at::Tensor& singular_values, int64_t size) {
  const double largest = singular_values.numel() ? scalar(singular_values.max()) : 0.0;
  return (singular_values > largest * kEpsilon * static_cast<double>(size)).sum().item<int64_t>();
}

Gaussian thin_gaussian(const at::Tensor& features) {
  TORCH_CHECK(features.size(0) >= 2, "frechet: a covariance needs at least 2 samples, got ",
              features.size(0));
  at::Tensor x = features.to(at::kDouble);
  at::Tensor mean = x.mean(0);
  at::Tensor root = (x - mean).t() / std::sqrt(static_cast<double>(x.size(0) - 1));
  const int64_t rank = numerical_rank(at::linalg_svdvals(root), std::max(root.size(0), root.size(1)));
  return {x.size(0), mean, root, rank, "thin"};
}

}  // namespace

Gaussian fit_gaussian(const Statistics& statistics, int64_t n) {
  const at::Tensor& sigma = statistics.covariance;
  const int64_t d = sigma.size(0);
  const double rounding = static_cast<double>(d) * kEpsilon;
  auto [lower, failed_at] = at::linalg_cholesky_ex(sigma);
  if (failed_at.item<int64_t>() == 0) {
    // Factorisation of a singular matrix can succeed on rounding noise; the smallest pivot tells.
    const double pivot = scalar(lower.diagonal().min()), scale = scalar(sigma.diagonal().max());
    if (pivot * pivot > rounding * scale) return {n, statistics.mean, lower, d, "cholesky"};
  }
  auto [values, vectors] = at::linalg_eigh(sigma);  // ascending
  const double floor = std::max(0.0, scalar(values.max())) * rounding;
  const int64_t rank = (values > floor).sum().item<int64_t>();
  at::Tensor root = vectors.narrow(1, d - rank, rank) * values.narrow(0, d - rank, rank).sqrt();
  return {n, statistics.mean, root, rank, "eigen"};
}

Gaussian fit_gaussian(const Moments& moments) {
  return fit_gaussian({moments.mean, covariance(moments)}, moments.n);
}

Gaussian fit_gaussian(const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 2, "frechet: features must be [N, d], got ", features.sizes());
  if (features.size(0) <= features.size(1)) return thin_gaussian(features);
  return fit_gaussian(moments_of(features));
}

FrechetRounding frechet_rounding(const Gaussian& a, const Gaussian& b) {
  const double traces = trace(a) + trace(b), means = scalar(a.mean.norm()) + scalar(b.mean.norm());
  return {rounding_of(means + std::sqrt(traces), 0), rounding_of(traces, a.mean.size(0))};
}

Frechet frechet_distance(const Gaussian& a, const Gaussian& b) {
  TORCH_CHECK(a.mean.size(0) == b.mean.size(0), "frechet: widths differ, ", a.mean.size(0), " and ",
              b.mean.size(0));
  const double root_trace = scalar(at::linalg_svdvals(a.root.t().matmul(b.root)).sum());
  const FrechetRounding rounding = frechet_rounding(a, b);
  const double gap = scalar((a.mean - b.mean).norm());
  // tr Σ = ‖R‖²: taken from the same roots, so that equal sets cancel to rounding.
  const double covariance_term = trace(a) + trace(b) - 2.0 * root_trace;
  Frechet result;
  result.mean_term = std::pow(beyond_rounding(gap, rounding.gap), 2);
  result.covariance_term = std::max(0.0, beyond_rounding(covariance_term, rounding.covariance_term));
  result.value = result.mean_term + result.covariance_term;
  result.rounding = rounding.covariance_term + rounding.gap * (rounding.gap + 2.0 * gap);
  return result;
}

double bias_at_equality(const Gaussian& law, int64_t n, int64_t reference_n) {
  at::Tensor lambda = at::linalg_svdvals(law.root).square();
  lambda = lambda.masked_select(lambda > 0);
  at::Tensor row = lambda.unsqueeze(0), column = lambda.unsqueeze(1);
  const double bracket = 1.25 * scalar(lambda.sum()) + 0.5 * scalar((row * column / (row + column)).sum());
  const double shares =
      1.0 / static_cast<double>(n) + (reference_n > 0 ? 1.0 / static_cast<double>(reference_n) : 0.0);
  return bracket * shares;
}

}  // namespace onestep
