// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "evaluation/frechet.h"

namespace onestep {

/// A direction of feature space, and what of FID lies along it.
struct Direction {
  at::Tensor axis;  ///< [d] float64, a unit vector; the generated mean is on its positive side of the other
  double fid = 0;   ///< never negative
};

/// FID split along directions. It is E‖u‖², u the displacement between coupled samples (transport.h), so it
/// is the trace of A = E[u uᵀ], and A's eigenvectors are the directions along which the laws differ most:
/// with the paired roots G V and R U and δ = μg − μr,
///   A = (G V − R U)(G V − R U)ᵀ + G (I − V Vᵀ) Gᵀ + R (I − U Uᵀ) Rᵀ + δ δᵀ.
/// Where Σg has full rank, the middle terms vanish and A = (I − T) Σg (I − T) + δ δᵀ. Where it has not (N ≤
/// d), they hold the spread that only one of the laws has, and the trace is FID all the same.
///
/// The `count` largest (at most d), largest first; over all d they sum to FID. What is within the
/// rounding of FID (frechet_rounding) is 0. Throws c10::Error when widths differ or count < 0.
std::vector<Direction> fid_directions(const Gaussian& generated, const Gaussian& reference, int64_t count);

}  // namespace onestep
