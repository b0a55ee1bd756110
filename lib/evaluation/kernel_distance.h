// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "evaluation/estimate.h"
#include "evaluation/stage_watch.h"

namespace onestep {

/// KID (Bińkowski, Sutherland, Arbel and Gretton 2018): the squared maximum mean discrepancy of generated [N,
/// d] and reference [M, d] features (float32 or float64, CPU) under k(x, y) = (xᵀy/d + 1)³, without bias:
///   Σ_{i≠j} k(gᵢ, gⱼ) / (N(N−1)) + Σ_{i≠j} k(rᵢ, rⱼ) / (M(M−1)) − 2 Σ_ij k(gᵢ, rⱼ) / (NM).
/// It may be negative. All pairs are used; tiles of 512 rows bound the memory, time is O((N + M)² d),
/// float64.
///
/// The standard error is the jackknife's over 20 blocks of rows, removed from both sets at a time: what fresh
/// samples of both sides would show. Blocks are random (a fixed permutation), since rows often come sorted by
/// class. Where the two laws are equal the statistic is degenerate and the error too large, by up to about
/// √2. There is none with fewer than 40 rows on a side. Throws c10::Error unless both are [≥ 2, d] and
/// floating; features that overflow a cube give infinity or NaN.
/// `watch` is called once a tile, and may throw to stop.
Estimate kernel_distance(const at::Tensor& generated, const at::Tensor& reference, const Watch& watch = {});

/// The same statistic for each pair of subsets: rows s of generated_rows [S, m] and of reference_rows [S,
/// m'], int64, say which features they hold. [S] float64. Other tools report the mean over 100 pairs with m =
/// m' = 1000 (and call the spread, which depends on m, an error). Throws c10::Error when the index tensors
/// are not int64 [S, ≥ 2] or point outside.
at::Tensor kernel_distance_of_subsets(const at::Tensor& generated, const at::Tensor& reference,
                                      const at::Tensor& generated_rows, const at::Tensor& reference_rows,
                                      const Watch& watch = {});

}  // namespace onestep
