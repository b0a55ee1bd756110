// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// The four functions of the noise level that turn a raw network F into a denoiser:
/// D(x; sigma) = c_skip x + c_out F(c_in x; c_noise).
struct Preconditioning {
  at::Tensor c_skip, c_out, c_in;  ///< [N,1,1,1], to be multiplied with images
  at::Tensor c_noise;              ///< [N], what the network is told of the noise level
};

/// EDM's choice (Karras et al. 2022, table 1): c_skip = s²/(σ²+s²), c_out = σ s/√(σ²+s²), c_in = 1/√(σ²+s²),
/// c_noise = ln σ / 4, with s = sigma_data. `sigma` is [N] or 0-d, float32 or float64; the result has its
/// dtype. Gradients flow through `sigma` if it asks for them.
Preconditioning edm_preconditioning(const at::Tensor& sigma, double sigma_data);

}  // namespace onestep
