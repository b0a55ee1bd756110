// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <complex>
#include <vector>

#include <ATen/core/Tensor.h>

#include "samplers/solver.h"

namespace onestep {

// Linear stability: what a solver makes of errors, told by the equation y' = λy and z = hλ on equal steps h.
// Far from σ = 0 one step is a linear map of what is carried from step to step. Its matrix is read off the
// implementation, so that what holds here holds of the code.

/// A curve in the plane of z, its points in order.
using Curve = std::vector<std::complex<double>>;

/// M(z) = Σ_p z^p powers[p], complex128 [n, n]: one step on (x, History's tensors). As many powers beyond the
/// first as the step has network calls.
struct Amplification {
  std::vector<at::Tensor> powers;

  at::Tensor operator()(std::complex<double> z) const;
};

/// M of a solver: a run on equal steps is brought to its full order, then `step` is given the unit vectors in
/// all places at once, with D(x; σ) = x − σλx. Exact to rounding for the rules in σ (ab, lms and their
/// momentum); rules in ln σ, and of images, show their classical limit to 1e-6. Throws config::ConfigError
/// for one_step, solvers with noise, and β < 1e-6, where rounding decides.
Amplification amplification(const Solver& solver);

/// The largest |eigenvalue| of M(z): by what an error grows in a step, in the long run.
double spectral_radius(const Amplification& m, std::complex<double> z);

/// The end of the stable part of the negative real axis that begins at 0: z < 0, to 1e-9 of itself.
double real_axis_limit(const Amplification& m);

/// The roots z of det(ζ − M(z)) = 0 for ζ = e^{2πij/points}, j = 0 … points: where an eigenvalue has modulus
/// 1. One curve for each network call of a step, for that is the degree of the determinant in z. The stable
/// region is bounded by parts of them.
std::vector<Curve> boundary_locus(const Amplification& m, int64_t points);

/// Whether a point of the locus bounds the stable region: no other eigenvalue is larger.
bool on_boundary(const Amplification& m, std::complex<double> z);

/// The stable region, {z : spectral radius ≤ 1}, as closed polygons, cut into `rows` equal rows of Im z.
/// `locus` is boundary_locus's.
std::vector<Curve> stable_region(const Amplification& m, const std::vector<Curve>& locus, int64_t rows);

/// The solver without its momentum; Euler for one that has none.
Solver base_method(const Solver& solver);

}  // namespace onestep
