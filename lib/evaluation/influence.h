// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include <ATen/core/Tensor.h>

#include "evaluation/frechet.h"

namespace onestep {

/// I(x), the first-order effect on FID of giving sample x more weight, for every row of `features` [N, d];
/// returns [N] float64 with mean zero. Positive: the sample hurts.
///   I(x) = 2(μg − μr)ᵀ(x − μg) + (x − μg)ᵀ(I − T)(x − μg) − mean,
///   T = Σr^½ (Σr^½ Σg Σr^½)^(−½) Σr^½, the map that transports N(0, Σg) to N(0, Σr).
/// What is within the rounding of its terms is 0. T is held as a root (transport.h); it is 0 along directions
/// that samples of g never see.
at::Tensor influence(const at::Tensor& features, const Gaussian& generated, const Gaussian& reference);

/// The standard error of FID from its influence values, sd(I)/√N: the spread that fresh samples of the
/// generator would show, the reference held fixed. No value when N ≤ d, where Σg is singular by
/// construction and the expansion means nothing.
std::optional<double> influence_standard_error(const at::Tensor& influence_values, int64_t width);

}  // namespace onestep
