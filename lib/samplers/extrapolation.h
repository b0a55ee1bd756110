// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

// A multistep solver replaces what it knows at one point by the mean over the step of a polynomial through
// what it knew at the k newest points. Everything here is the weights of those points, newest first. They
// sum to 1.

/// What is extrapolated, and on which axis:
///   adams_bashforth   slopes d, as if all steps were equal: fixed weights (PLMS, iPNDM)
///   lagrange          slopes d, polynomial in σ, integrated dσ (LMS of k-diffusion)
///   log_lagrange      slopes d, polynomial in ln σ, integrated dσ (DEIS, Zhang & Chen 2023)
///   exponential       images D, polynomial in ln σ, integrated against the exact solution's factor, of
///                     x' = (σ'/σ) x + (1 − σ'/σ) D̃ (DPM-Solver++ multistep, UniPC's predictor)
enum class Extrapolation { adams_bashforth, lagrange, log_lagrange, exponential };

/// True for slopes: u in x' = x + (σ' − σ) u; false for images: D̃ in x' = (σ'/σ) x + (1 − σ'/σ) D̃.
bool extrapolates_slopes(Extrapolation rule);

/// The first moment where an exponential rule has two points alone, which the papers choose differently:
/// ½ (midpoint: DPM-Solver++(2M); UniPC's B₂), the exact one (heun: DPM-Solver++'s other choice), or
/// h/2(1 − e^{−h}) (UniPC's B₁).
enum class TwoPoints { midpoint, heun, b1 };

/// G_{k,β}: weights of the newest k velocities, v ← (1−β) v + β d on equal steps, whose mix extrapolates d to
/// order k: Σ_j g_j ∇^j with g_j = γ_j + ((1−β)/β) γ_{j−1}, γ = 1, 1/2, 5/12, 3/8, 251/720 (Wizadwongsa et
/// al. 2023, §4.2; shared theory §6). β = 1 gives Adams–Bashforth's weights of d. k 1 … 5, β ∈ (0, 1].
std::vector<double> ghvb_weights(int64_t k, double beta);

/// m_p = ∫₀¹ τ^p κ e^{κτ}/(e^κ − 1) dτ for p = 0 … k − 1: the moments of a step of length 1 under the measure
/// that tilts towards its end (κ > 0) or its start. κ = 0 is the even one, m_p = 1/(p + 1); m_0 = 1.
std::vector<double> step_moments(double kappa, int64_t k);

/// Those of a rule, for a step of length h = ln(σ/σ'): κ = 0, −h, h for lagrange, log_lagrange, exponential.
std::vector<double> step_moments(Extrapolation rule, TwoPoints two_points, double h, int64_t k);

/// The weights w with Σ_j w_j rows[j][p] = moments[p] for all p: rows[j] holds the powers (τ_j^p) of point j,
/// or their averages where j is an average over points. k rows and moments.
std::vector<double> match_moments(const std::vector<std::vector<double>>& rows,
                                  const std::vector<double>& moments);

/// The weights of points of their own: the polynomial through the newest moments.size() of `places`, on the
/// step that starts at `from` and ends at `to`.
std::vector<double> point_weights(const std::vector<double>& places, double from, double to,
                                  const std::vector<double>& moments);

/// 1, τ, τ², … of the place of a point, in units of the step that starts at `from` and ends at `to`.
std::vector<double> powers(double place, double from, double to, int64_t k);

/// Σ_j w_j x_j, the first weights.size() tensors. Sums in order, by plain products and sums.
at::Tensor weighted_sum(const std::vector<double>& weights, const std::vector<at::Tensor>& tensors);

}  // namespace onestep
