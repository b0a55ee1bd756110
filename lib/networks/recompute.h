// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "networks/module.h"

namespace onestep {

/// A pure function of tensors: it draws no random numbers but those that are keyed, and keeps no state.
using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// f(inputs) of which only the inputs are kept for the backward pass, which computes f once more (activation
/// checkpointing, Chen et al. 2016). Gradients have the bits of f's own, and reach exactly those inputs that
/// somebody asks for; every tensor that may want one, parameters too, must be among them. No second
/// derivatives.
at::Tensor recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs);

/// The same of f(module, inputs), whose gradients reach the module's parameters too.
template <class M, class F>
at::Tensor recomputed(const M& module, std::vector<at::Tensor> inputs, const F& f) {
  const size_t count = inputs.size();
  for_each_tensor(const_cast<M&>(module), [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer) inputs.push_back(tensor);
  });
  const TensorFunction with_parameters = [=](const std::vector<at::Tensor>& tensors) {
    M here = module;
    size_t next = count;
    for_each_tensor(here, [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
      if (!is_buffer) tensor = tensors[next++];
    });
    return f(here, {tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(count)});
  };
  return recomputed(with_parameters, inputs);
}

}  // namespace onestep
