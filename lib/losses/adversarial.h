// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

/// The logistic adversarial pair (Goodfellow et al. 2014, non-saturating). Logits are [N] or [N, …]; the loss
/// of each logit is taken first and a sample's losses are averaged then, [N]: every head learns the log-ratio
/// itself. (The density ratio averages logits first: that is the mean of log-ratios. A loss is never averaged
/// over the batch here, and never read as a probability.) Computed in float32, or float64 where the logits
/// are; gradient flows through the logits.
namespace onestep {

/// softplus(−ℓ_real) + softplus(ℓ_fake): the discriminator's, minimal at ℓ = ln(p_real/p_fake). Both [N, …]
/// of one N. Throws c10::Error otherwise.
at::Tensor discriminator_loss(const at::Tensor& real_logits, const at::Tensor& fake_logits);

/// softplus(−ℓ_fake): the student's.
at::Tensor generator_loss(const at::Tensor& fake_logits);

}  // namespace onestep
