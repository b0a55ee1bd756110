// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "kernels/score_difference.h"
#include "losses/sample_scale.h"

/// The integral branch (Diff-Instruct, DMD, f-distill; README.md §2): at one noise level
///
///   ∇_θ D_f(p_σ‖q_σ) = −E[h(r) Δ · ∂x/∂θ],   Δ = (D_p − D_q)/σ²,
///
/// so the student's images y = G_θ(z), of which x = y + σε is made, are to be moved by the image-space
/// gradient w (D_q − D_p) with w = h(r) times a scale of the sample that is free to choose.
namespace onestep {

struct IntegralConfig {
  static constexpr const char* kind = "integral";
  std::string normalisation = "dmd";
  bool normalise_weight = true;
  double weight = 1;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("normalisation", c.normalisation,
          "scale of a sample's score difference: none 1, score 1/sigma^2, dmd 1/(mean|y - D_p| + 1e-6), "
          "sid 1/max(mean|y - D_p|, 1e-5)",
          config::one_of(normalisations()));
    visit("normalise_weight", c.normalise_weight, "divide the weights h(r) by their mean over the batch");
    visit("weight", c.weight, "weight of the score difference, a mean over an image's pixels and channels",
          config::positive);
  }
};

/// The integral branch on one batch, without autograd.
///
/// y the student's images, teacher = D_p(x; σ) and fake = D_q(x; σ), each [N, …] of one dtype (float32 or
/// float64); sigma [N]; h [N] the divergence's weight, 1 for reverse KL. Returns gradient = w (D_q − D_p),
/// what the caller pulls back through y = G_θ(z), and loss = ½‖gradient‖² per sample [N]: sums over pixels,
/// nothing averaged over the batch. The loss shows how far teacher and fake are apart in these units; it is
/// no distance of y. Throws c10::Error on an unknown normalisation or shapes that differ.
kernels::ScoreDifference score_difference(const IntegralConfig& config, const at::Tensor& y,
                                          const at::Tensor& teacher, const at::Tensor& fake,
                                          const at::Tensor& sigma, const at::Tensor& h);

/// The same loss [N] with autograd: its gradient reaches y alone, and is the one above.
at::Tensor score_difference_loss(const IntegralConfig& config, const at::Tensor& y, const at::Tensor& teacher,
                                 const at::Tensor& fake, const at::Tensor& sigma, const at::Tensor& h);

}  // namespace onestep
