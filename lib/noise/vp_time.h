// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// The variance-preserving process in continuous time (Song et al. 2021): σ(t) = √(e^{B(t)} − 1),
/// B(t) = ½ β_d t² + β_min t, with the published β_d = 19.9, β_min = 0.1.
double vp_sigma(double t);
at::Tensor vp_sigma(const at::Tensor& t);

/// t of σ(t): (√(β_min² + 2 β_d ln(1+σ²)) − β_min)/β_d. Gradient flows.
at::Tensor vp_time_of(const at::Tensor& sigma);

}  // namespace onestep
