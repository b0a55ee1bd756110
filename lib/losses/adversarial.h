// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Adversarial pairs. Logits are [N] or [N, …]; the loss of each logit is taken first and a sample's losses
/// are averaged then, [N]: every head, or pixel (SiDA's map), learns for itself. (The density ratio averages
/// logits first: that is the mean of log-ratios. A loss is never averaged over the batch here, and never read
/// as a probability.) Computed in float32, or float64 where the logits are; gradient flows through the
/// logits.
///
///   name      discriminator                            student
///   logistic  softplus(−ℓ_real) + softplus(ℓ_fake)     softplus(−ℓ_fake)
///   hinge     max(0, 1 − ℓ_real) + max(0, 1 + ℓ_fake)  −ℓ_fake
///
/// logistic: Goodfellow et al. 2014, non-saturating; hinge: Lim & Ye 2017.
/// Only the logistic discriminator's optimum is the log density ratio, ℓ = ln(p_real/p_fake).
namespace onestep {

/// logistic, hinge.
std::vector<std::string> adversarial_losses();

/// The discriminator's loss (middle column). Both [N, …] of one N. Throws c10::Error otherwise, and for an
/// unknown name.
at::Tensor discriminator_loss(const std::string& name, const at::Tensor& real_logits,
                              const at::Tensor& fake_logits);

/// The discriminator's loss where it shares encoder and optimiser with a denoiser that learns by λ(σ) ‖D −
/// y‖² (SiDA, Zhou et al. 2025): λ(σ) ½ (real + fake), [N], to be added to that sum over pixels. `weight` [N]
/// is λ(σ) at the one noise level of both images, a constant.
at::Tensor shared_discriminator_loss(const std::string& name, const at::Tensor& real_logits,
                                     const at::Tensor& fake_logits, const at::Tensor& weight);

/// The student's loss (right column).
at::Tensor generator_loss(const std::string& name, const at::Tensor& fake_logits);

/// R1 (Mescheder et al. 2018) by a finite difference (Lin et al. 2025): per sample the mean over logits of
/// ½ (ℓ(x + τ n) − ℓ(x))² / τ², n unit noise; its expectation is ½ ‖∇ℓ‖² as τ = `step` → 0. x is what the
/// discriminator sees of real data, the *noised* image, and keeps its noise level. Gradient flows through
/// both.
at::Tensor r1_penalty(const at::Tensor& logits, const at::Tensor& perturbed_logits, double step);

}  // namespace onestep
