// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "evaluation/estimate.h"
#include "evaluation/stage_watch.h"

namespace onestep {

/// MIND, the Monge Inception Distance (Berthet et al. 2026, arXiv:2605.06797): 3d times the mean over random
/// unit directions θ of the squared Wasserstein-2 distance between θᵀg and θᵀr; generated [N, d], reference
/// [M, d], float32 or float64, CPU; all sums in float64. On a line the distance is that of the quantile
/// functions, ∫ (F⁻¹ − G⁻¹)² du: for N = M the mean squared gap of the sorted values; for other sizes both
/// functions are steps and the integral is exact, a sum over at most N + M − 1 pieces. A translation by δ
/// gives 3‖δ‖² on average.
///
/// Directions are a function of the seed. The standard error is that of the choice of directions,
/// sd/√projections; it says nothing about fresh samples. Like FID, MIND of two finite samples of one law is
/// positive: compare at equal N. Directions are taken in groups, at most about 4 million projected values at
/// a time. Throws c10::Error when shapes or types do not fit or projections < 1 (no error is given for a
/// single one). `watch` is called for every few thousand rows of a group, and may throw to stop.
Estimate projected_distance(const at::Tensor& generated, const at::Tensor& reference, uint64_t seed,
                            int64_t projections = 1000, const Watch& watch = {});

}  // namespace onestep
