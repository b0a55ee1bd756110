// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// A pure function of tensors: it draws no random numbers but those that are keyed, and keeps no state.
using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// f(inputs) of which only the inputs are kept for the backward pass, which computes f once more (activation
/// checkpointing, Chen et al. 2016). Gradients have the bits of f's own, and reach exactly those inputs that
/// somebody asks for; every tensor that may want one, parameters too, must be among them. No second
/// derivatives.
at::Tensor recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs);

}  // namespace onestep
