// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace onestep {

/// The distribution function of Beta(α, β): I_x(α, β) = ∫₀ˣ t^{α−1} (1−t)^{β−1} dt / B(α, β), by its
/// continued fraction (DLMF 8.17.22). Throws c10::Error unless 0 ≤ x ≤ 1, α > 0, β > 0, α + β ≤ 170 (where Γ
/// overflows).
double beta_cdf(double x, double alpha, double beta);

/// Its inverse: the x with I_x(α, β) = p. Whichever of x and 1 − x is the smaller one has a relative error of
/// about 1e-15. Throws c10::Error unless 0 ≤ p ≤ 1, and as above.
double beta_quantile(double p, double alpha, double beta);

}  // namespace onestep
