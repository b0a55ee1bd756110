// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <vector>

#include "data/mixture.h"
#include "networks/gaussian_mixture.h"
#include "training/figure.h"

/// Pictures of a distillation of points whose density is known: what the student makes of the data, and the
/// field that moves it.
namespace onestep {

/// What is drawn of a student of points.
struct ScoreFigureInputs {
  const GaussianMixture& teacher;          ///< the data's density, noised or not
  at::Tensor data, student;                ///< points [N, D, 1, 1], D = 1 or 2
  std::optional<GaussianMixture> density;  ///< the student's, where it is known
  std::function<at::Tensor(const at::Tensor&x, const at::Tensor&sigma)> teacher_denoised, fake_denoised;
  double sigma;  ///< noise level of the field
};

/// Density at x [G] of points [N, 1, 1, 1] on a line, in x's dtype: a mean of Gaussians of the usual
/// rule-of-thumb width (Silverman 1986), 1e-3 at least.
at::Tensor kernel_density(const at::Tensor& points, const at::Tensor& x);

/// For points on a line: densities of data and student, and both scores. For points of the plane: the two
/// clouds over the field Δ = (D_p − D_q)/σ², along which the student is pushed. Empty for more dimensions.
/// The student's points may lie on another device than all else.
std::vector<Figure> score_figures(const ScoreFigureInputs& in);

}  // namespace onestep
