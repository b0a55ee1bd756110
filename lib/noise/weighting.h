// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "noise/preconditioning.h"

namespace onestep {

/// The weight λ(σ) of a denoising loss λ(σ) ‖D(x; σ) − y‖², by name:
///   edm      1/σ² + 1/σ_d² = (σ²+σ_d²)/(σ σ_d)², which makes F's loss flat (Karras et al. 2022; also DMD2's)
///   none     1, the plain error of the clean image (f-distill)
///   epsilon  1/σ², the error of the predicted noise
///   v        (1+σ²)/σ², the error of a predicted v = αn − sy
///   flow     (1+σ)²/σ², the error of a flow's predicted velocity n − y
///   gvp      (π/2)² (1+σ²)/σ², the same of the path with α = sin(πt/2) (SiT)
///   native   that of `preconditioning` itself: 1/c_out², the error of what the network predicts
/// `sigma` [N]; the result has its shape and dtype. Throws c10::Error for an unknown name.
at::Tensor loss_weight(const std::string& name, const at::Tensor& sigma,
                       const PreconditioningConfig& preconditioning);

/// The names that loss_weight knows.
std::vector<std::string> loss_weight_names();

}  // namespace onestep
