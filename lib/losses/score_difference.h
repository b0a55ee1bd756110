// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "kernels/score_difference.h"

/// The integral branch (Diff-Instruct, DMD, f-distill; README.md §2): at one noise level
///
///   ∇_θ D_f(p_σ‖q_σ) = −E[h(r) Δ · ∂x/∂θ],   Δ = (D_p − D_q)/σ²,
///
/// so the student's images y = G_θ(z), of which x = y + σε is made, are to be moved by the image-space
/// gradient w (D_q − D_p) with w = h(r) times a scale of the sample that is free to choose.
namespace onestep {

/// The ways to scale a sample, in order; m is the sample's mean |y − D_p|:
///   none      1               denoiser units
///   variance  1/σ²            score units: the gradient of D_f itself
///   dmd       1/(m + 1e-6)    DMD, DMD2, f-distill
///   sid       1/max(m, 1e-5)  the SiD family
std::vector<std::string> normalisations();

struct ScoreDifferenceConfig {
  std::string normalisation = "dmd";
  bool normalise_weight = true;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("normalisation", c.normalisation,
          "scale of a sample's score difference: none 1, variance 1/sigma^2, dmd 1/(mean|y - D_p| + 1e-6), "
          "sid 1/max(mean|y - D_p|, 1e-5)",
          config::one_of(normalisations()));
    visit("normalise_weight", c.normalise_weight, "divide the weights h(r) by their mean over the batch");
  }
};

/// The integral branch on one batch, without autograd.
///
/// y the student's images, teacher = D_p(x; σ) and fake = D_q(x; σ), each [N, …] of one dtype (float32 or
/// float64); sigma [N]; h [N] the divergence's weight, 1 for reverse KL. Returns gradient = w (D_q − D_p),
/// what the caller pulls back through y = G_θ(z), and loss = ½‖gradient‖² per sample [N]: sums over pixels,
/// nothing averaged over the batch. The loss shows how far teacher and fake are apart in these units; it is
/// no distance of y. Throws c10::Error on an unknown normalisation or shapes that differ.
kernels::ScoreDifference score_difference(const ScoreDifferenceConfig& config, const at::Tensor& y,
                                          const at::Tensor& teacher, const at::Tensor& fake,
                                          const at::Tensor& sigma, const at::Tensor& h);

/// The same loss [N] with autograd: its gradient reaches y alone, and is the one above.
at::Tensor score_difference_loss(const ScoreDifferenceConfig& config, const at::Tensor& y,
                                 const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& sigma,
                                 const at::Tensor& h);

/// h / (mean(h) + 1e-6), [N] -> [N] (f-distill, Xu et al. 2025): weights say which samples matter more, and
/// leave the step's length alone. `mean` (0-d) where the batch is more than this tensor: over micro-batches
/// or ranks.
at::Tensor normalise_by_mean(const at::Tensor& h, const std::optional<at::Tensor>& mean = {});

}  // namespace onestep
