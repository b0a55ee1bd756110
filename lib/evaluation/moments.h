// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace onestep {

/// Running mean and scatter of feature vectors, float64 whatever comes in. The default value holds nothing
/// and takes its width from the first batch.
struct Moments {
  int64_t n = 0;
  at::Tensor mean;     ///< [d]
  at::Tensor scatter;  ///< [d, d], Σ (x − mean)(x − mean)ᵀ: never the raw second moment, which cancels
};

/// Adds a batch of features [B, d] (any floating type, CPU). The result depends on how the rows are split,
/// ordered or sharded only by rounding, because each batch is centred on its own mean before it is merged.
/// Throws c10::Error when the width differs from what came before.
void accumulate(Moments& moments, const at::Tensor& features);

/// Moments of the union of two disjoint sets (Chan, Golub and LeVeque 1979):
/// mean = (n₁m₁ + n₂m₂)/n,  S = S₁ + S₂ + n₁n₂/n · (m₂ − m₁)(m₂ − m₁)ᵀ. Either may be empty.
Moments merge(const Moments& a, const Moments& b);

/// Moments of one matrix of features [N, d], taken in blocks of rows so that a float32 matrix is never
/// promoted whole.
Moments moments_of(const at::Tensor& features);

/// What is known of features when they are gone: the mean [d] and the covariance [d, d], float64.
struct Statistics {
  at::Tensor mean;
  at::Tensor covariance;
};

/// The unbiased covariance S / (N − 1), [d, d] float64. Throws c10::Error when N < 2.
at::Tensor covariance(const Moments& moments);

}  // namespace onestep
