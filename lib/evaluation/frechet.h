// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "evaluation/moments.h"

namespace onestep {

/// The Gaussian that FID fits to a set of features, its covariance held as a root: Σ = R Rᵀ. Everything that
/// FID and its influence function need is a product of roots, so Σ₁Σ₂ (not symmetric) never appears.
struct Gaussian {
  int64_t n = 0;       ///< samples it was fitted to; 0 where that is not known
  at::Tensor mean;     ///< [d] float64
  at::Tensor root;     ///< R [d, k] float64, k ≥ rank
  int64_t rank = 0;    ///< numerical rank of Σ
  std::string method;  ///< how R came about: "cholesky", "eigen" or "thin"
};

/// From a mean and a covariance Σ: the Cholesky factor where Σ is numerically positive definite, otherwise V
/// √λ over the eigenvalues above d ε λ_max (ε = 2⁻⁵²: what lies below is rounding, and a square root would
/// raise it to 1e-8). Nothing is ever added to Σ. `n` samples were behind it; 0 where that is not known.
Gaussian fit_gaussian(const Statistics& statistics, int64_t n);

/// The same from moments. Throws c10::Error when N < 2.
Gaussian fit_gaussian(const Moments& moments);

/// From features [N, d]: when N ≤ d the centred data are themselves a root, R = (X − μ)ᵀ/√(N−1) [d, N], exact
/// and thin; otherwise as from moments.
Gaussian fit_gaussian(const at::Tensor& features);

struct Frechet {
  double value = 0;            ///< mean_term + covariance_term, never negative
  double mean_term = 0;        ///< ‖μ₁ − μ₂‖²
  double covariance_term = 0;  ///< tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½
  double rounding = 0;         ///< what rounding alone may make of the value
};

/// What rounding alone may make of each component of the gap of the means, and of the covariance term of two
/// Gaussians: sums over d of terms as large as |μ| and √tr Σ, and as tr Σ₁ + tr Σ₂ (rounding.h).
struct FrechetRounding {
  double gap = 0, covariance_term = 0;
};
FrechetRounding frechet_rounding(const Gaussian& a, const Gaussian& b);

/// The squared Fréchet (2-Wasserstein) distance of two Gaussians (Dowson and Landau 1982; Heusel et al.
/// 2017). tr (Σ₁Σ₂)^½ is the nuclear norm of R₁ᵀR₂, whose squared singular values are the eigenvalues of
/// Σ₁Σ₂. A term below what rounding makes of it (frechet_rounding) is 0. Throws c10::Error when widths
/// differ.
Frechet frechet_distance(const Gaussian& a, const Gaussian& b);

/// What FID of n samples against reference_n samples of the *same* Gaussian law is on average, to first
/// order: (1/n + 1/reference_n) [5/4 Σ λᵢ + ½ Σᵢⱼ λᵢλⱼ/(λᵢ+λⱼ)], λ the eigenvalues of `law`'s covariance.
/// Pass reference_n = 0 for a reference known exactly. (Second-order expansion of the distance, Wishart
/// moments.)
double bias_at_equality(const Gaussian& law, int64_t n, int64_t reference_n);

}  // namespace onestep
