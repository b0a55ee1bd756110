// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// The weight λ(σ) of a denoising loss λ(σ) ‖D(x; σ) − y‖², by name:
///   edm      1/σ² + 1/σ_d² = (σ²+σ_d²)/(σ σ_d)², which makes F's loss flat (Karras et al. 2022; also DMD2's)
///   none     1, the plain error of the clean image (f-distill)
///   epsilon  1/σ², the error of the predicted noise
/// `sigma` [N]; the result has its shape and dtype. Throws c10::Error for an unknown name.
at::Tensor loss_weight(const std::string& name, const at::Tensor& sigma, double sigma_data);

/// The names that loss_weight knows.
std::vector<std::string> loss_weight_names();

}  // namespace onestep
