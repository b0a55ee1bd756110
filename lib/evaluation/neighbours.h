// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "evaluation/estimate.h"
#include "evaluation/stage_watch.h"

/// Metrics that compare each sample with its nearest neighbours. Features are CPU tensors [N, d], float32 or
/// float64, finite; nothing is differentiable. Memory is a strip of at most 64 MB beside the features,
/// whatever N.
///
/// Pairs are screened with ‖x‖² + ‖y‖² − 2 xᵀy (centred, float64, a matrix product a tile) and its rounding
/// bound; wherever the bound leaves a comparison or a choice open, Σ (xᵢ − yᵢ)² decides. Results therefore
/// follow the latter alone: copies are at distance 0, a tie is a tie, and neither the tile nor the number of
/// threads changes a bit. `tile` is the largest side of a tile; `watch` is called once a tile, and may throw
/// to stop. Every function throws c10::Error when shapes do not fit, when squared norms overflow, or when a
/// set has too few rows for k.
namespace onestep {

constexpr int64_t kNeighbourTile = 1024;

/// Squared distances from each row to its k nearest other rows, ascending: [N, k] float64. Column j − 1 holds
/// the squared radii of the balls of j neighbours. Needs k < N.
at::Tensor squared_radii(const at::Tensor& points, int64_t k, int64_t tile = kNeighbourTile,
                         const Watch& watch = {});

/// How many neighbours span a ball: of both sets for precision and recall, of the reference for density and
/// coverage.
struct BallSizes {
  int64_t precision = 3;
  int64_t density = 5;
};

/// Who lies in whose ball, for N generated and M reference rows.
struct Neighbourhood {
  BallSizes k;
  at::Tensor realistic;  ///< bool [N]: in (≤) some reference ball of k.precision
  at::Tensor balls;      ///< int64 [N]: reference balls of k.density that contain (<) it
  at::Tensor sole;       ///< int64 [N]: those of them that contain no other generated row
  at::Tensor recalled;   ///< bool [M]: in (≤) some generated ball of k.precision
  at::Tensor contained;  ///< int64 [M]: generated rows in (<) its ball of k.density; 0 = not covered
};

/// `reference_radii` is squared_radii(reference, at least the larger k), for a reference that serves several
/// times; computed where undefined.
Neighbourhood neighbourhood(const at::Tensor& generated, const at::Tensor& reference, const BallSizes& k = {},
                            const at::Tensor& reference_radii = {}, int64_t tile = kNeighbourTile,
                            const Watch& watch = {});

/// Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020):
///   precision = mean(realistic), recall = mean(recalled), density = mean(balls)/k, coverage =
///   mean(contained > 0).
/// Standard errors are those of fresh generated samples, the reference held fixed: binomial (precision),
/// sd/√N (density), delete-one jackknife (coverage: on the safe side, 1.0 to 1.6 times the true spread of
/// Gaussians; a binomial one would be too small). Recall's is the mirror image of precision's: that of fresh
/// reference rows, the generated set and its balls held fixed (binomial).
/// Where both laws are equal, density → 1 and coverage → expected_coverage.
struct Manifold {
  Estimate precision, recall, density, coverage;
};
Manifold manifold(const Neighbourhood& neighbourhood);

/// Coverage of M reference rows by N generated ones of the same continuous law, on average:
/// 1 − ∏ᵢ₌₁ᵏ (M − i)/(M + N − i). (All k nearest of the M − 1 + N other rows are then reference rows.)
double expected_coverage(int64_t generated, int64_t reference, int64_t k);

/// For memorisation: each generated row beside the reference (training) row that it is nearest to.
struct NearestReference {
  at::Tensor index;     ///< int64 [N], the lowest where several are equally near
  at::Tensor distance;  ///< float64 [N], to that row
  at::Tensor gap;       ///< float64 [N], from that row to its own nearest other reference row
};
/// `reference_radii` is squared_radii(reference, any k), where it is at hand; else only rows that are
/// someone's nearest are asked for their own neighbour.
NearestReference nearest_reference(const at::Tensor& generated, const at::Tensor& reference,
                                   const at::Tensor& reference_radii = {}, int64_t tile = kNeighbourTile,
                                   const Watch& watch = {});

/// AuthPct (Alaa et al. 2022): the share of generated rows with distance > gap. A generator that copies its
/// training set has 0. Fresh samples of the training law have 1/2 in few dimensions and more in many (0.84
/// for Gaussians of d = 64, whose nearest rows are central ones with near neighbours): compare with held-out
/// data. Binomial standard error, the reference held fixed.
Estimate authentic_share(const NearestReference& nearest);

}  // namespace onestep
