// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² − 1 − 2 ln σ), nats of each row (Kingma & Welling 2014, appendix B).
/// mean, std [N, …], std > 0; the result is [N] in their dtype. Gradients flow through both.
at::Tensor gaussian_kl(const at::Tensor& mean, const at::Tensor& std);

}  // namespace onestep
