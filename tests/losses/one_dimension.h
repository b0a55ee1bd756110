// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/softmax.h>

namespace onestep {

/// A mixture Σ_k weight_k N(mean_k, std_k²) on the line; float64 tensors [K], which may carry gradient.
struct Mixture {
  at::Tensor weight, mean, std;
};

/// ln(weight_k N(x; mean_k, std_k² + σ²)), [N] -> [N, K].
inline at::Tensor log_terms(const Mixture& m, const at::Tensor& x, double sigma) {
  const at::Tensor variance = m.std.square() + sigma * sigma;
  return at::log(m.weight) - 0.5 * at::log(2 * std::numbers::pi * variance) -
         (x.unsqueeze(-1) - m.mean).square() / (2 * variance);
}

/// ln of the density of the mixture noised to σ.
inline at::Tensor log_density(const Mixture& m, const at::Tensor& x, double sigma) {
  return at::logsumexp(log_terms(m, x, sigma), -1);
}

/// D(x; σ) = E[y | x], by the posterior over components (not by way of the score).
inline at::Tensor denoised(const Mixture& m, const at::Tensor& x, double sigma) {
  const at::Tensor variance = m.std.square();
  const at::Tensor posterior = at::softmax(log_terms(m, x, sigma), -1);
  const at::Tensor means = (variance * x.unsqueeze(-1) + sigma * sigma * m.mean) / (variance + sigma * sigma);
  return (posterior * means).sum(-1);
}

}  // namespace onestep
