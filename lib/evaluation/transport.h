// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "evaluation/frechet.h"

namespace onestep {

/// How the optimal coupling of two Gaussians pairs their roots, Σg = G Gᵀ and Σr = R Rᵀ: the SVD
/// RᵀG = U S Vᵀ, without the singular values that are rounding. Samples x = μg + G z and y = μr + R w of the
/// coupling have E[z wᵀ] = V Uᵀ, so the spread G V goes to R U, and E‖x − y‖² is the Fréchet distance. No
/// matrix is squared or inverted.
struct Transport {
  at::Tensor u;  ///< [columns of R, k] float64
  at::Tensor s;  ///< [k], largest first
  at::Tensor v;  ///< [columns of G, k]
};
Transport transport(const Gaussian& generated, const Gaussian& reference);

/// W = R U S^(−½) [d, k]: W Wᵀ = T = Σr^½ (Σr^½ Σg Σr^½)^(−½) Σr^½, the map that transports N(0, Σg) to
/// N(0, Σr), 0 along directions that samples of g never see.
at::Tensor transport_root(const Gaussian& generated, const Gaussian& reference);

}  // namespace onestep
