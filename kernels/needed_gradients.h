// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

#include <torch/csrc/autograd/custom_function.h>

namespace onestep::kernels {

/// What autograd asks of a backward pass of f(x, weight, bias), whose forward pass left `has_bias` behind.
inline std::array<bool, 3> needed_gradients(torch::autograd::AutogradContext& context) {
  return {context.needs_input_grad(0), context.needs_input_grad(1),
          context.saved_data["has_bias"].toBool() && context.needs_input_grad(2)};
}

}  // namespace onestep::kernels
