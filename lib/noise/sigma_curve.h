// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "noise/sigma_range.h"

/// How noise levels fall: one function for each rule of sigma_grid.cpp, which checks what it hands over.
namespace onestep {

/// What a curve is made from. A rule looks at what it has: `rho`, and its parameters in order.
struct CurveSetting {
  SigmaRange range;
  double rho = 1;
  std::vector<double> parameters;
};

/// σ at the place u, falling from the highest level at u = 0 to the lowest at u = 1: the range's own numbers
/// there, not what rounding makes of them (save for iddpm).
struct SigmaCurve {
  std::function<double(double u)> sigma;
  int64_t levels = std::numeric_limits<int64_t>::max();  ///< how many different ones there are
};

/// σ = (σ_max^{1/ρ} + u (σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ (Karras et al. 2022, eq. 5).
SigmaCurve karras_curve(const CurveSetting& s);

/// ln σ = (1−u) ln σ_max + u ln σ_min.
SigmaCurve exponential_curve(const CurveSetting& s);

/// ln σ = (1−u)^ρ ln σ_max + (1 − (1−u)^ρ) ln σ_min.
SigmaCurve polyexponential_curve(const CurveSetting& s);

/// σ = (1−u) σ_max + u σ_min.
SigmaCurve linear_curve(const CurveSetting& s);

/// σ = tan((1−u) arctan σ_max + u arctan σ_min) (Sabour et al. 2024, Align Your Steps).
SigmaCurve kl_optimal_curve(const CurveSetting& s);

/// σ^{1/ρ} = σ_min^{1/ρ} + q(1−u) (σ_max^{1/ρ} − σ_min^{1/ρ}), q the quantiles of Beta(α, β) (Lee et al.
/// 2024, Beta Sampling is All You Need, there with ρ = 1). Parameters α, β.
SigmaCurve beta_curve(const CurveSetting& s);

/// σ(t) = √(e^{B(t)} − 1), B(t) = ½ β_d t² + β_min t, t = 1 + u (ε−1), where β_d and β_min are those for
/// which σ(1) and σ(ε) are the ends of the range (Karras et al. 2022, table 1 and appendix C.1). Parameter ε.
SigmaCurve vp_curve(const CurveSetting& s);

/// The range of the published β_d = 19.9, β_min = 0.1 (Song et al. 2021): σ(ε) to σ(1).
SigmaRange vp_range(const std::vector<double>& parameters);

/// Evenly in their number, to the nearest one (a tie to the even one), the levels of iDDPM inside the range:
/// u_M = 0, u_{j−1}² = (u_j² + 1)/max(ᾱ_{j−1}/ᾱ_j, C_1) − 1 with ᾱ_j = sin² θ_j, θ_j = (π/2) (j/M)/(C_2 + 1)
/// (Karras et al. 2022, table 1 and appendix C.3). Parameters C_1, C_2, M.
SigmaCurve iddpm_curve(const CurveSetting& s);

}  // namespace onestep
