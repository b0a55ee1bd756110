// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "networks/module.h"

namespace onestep {

/// Data that is a mixture of Gaussians with diagonal covariances, whose denoiser is known in closed form: the
/// truth that toys, tests and solvers are checked with.
struct GaussianMixture {
  static constexpr const char* kind = "gaussian_mixture";  ///< of a file that holds one
  at::Tensor weights;                                      ///< [K], positive, summing to 1
  at::Tensor means;                                        ///< [K, C, H, W]
  at::Tensor stds;                                         ///< [K, C, H, W], not negative

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("weights", m.weights, kBuffer);
    visit("means", m.means, kBuffer);
    visit("stds", m.stds, kBuffer);
  }
};

/// A mixture in float64 with weights normalised to sum 1. A component whose stds are 0 is a single point.
/// Throws c10::Error naming the tensor when shapes are not as above, numbers are not finite, a weight is not
/// positive or an std negative; the second one io::FileError, also when a tensor is missing.
GaussianMixture make_gaussian_mixture(const at::Tensor& weights, const at::Tensor& means,
                                      const at::Tensor& stds);
GaussianMixture read_gaussian_mixture(const io::TensorFile& file);

/// D(x; σ) = Σ_k p_k(x) [m_k + s_k²/(s_k²+σ²) (x − m_k)], p_k ∝ w_k N(x; m_k, s_k² + σ²) per pixel.
/// x [N, C, H, W], sigma [N] or 0-d, above 0 where some std is 0; computed in the wider of x's and the
/// mixture's dtype, the result has x's. Gradients flow through x.
at::Tensor denoise(const GaussianMixture& m, const at::Tensor& x, const at::Tensor& sigma);

/// ln p_σ(x) of the noised mixture, [N], in the wider dtype. Gradients flow through x and sigma.
at::Tensor log_density(const GaussianMixture& m, const at::Tensor& x, const at::Tensor& sigma);

}  // namespace onestep
