// SPDX-License-Identifier: Apache-2.0
#include "networks/recompute.h"

#include <utility>

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace onestep {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Holder : torch::CustomClassHolder {
  explicit Holder(TensorFunction function) : f(std::move(function)) {}
  TensorFunction f;
};

constexpr const char* kFunction = "f";

const TensorFunction& function_of(AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<Holder>(context->saved_data[kFunction].toCapsule())->f;
}

struct Recompute : torch::autograd::Function<Recompute> {
  // A TensorList: of a std::vector the engine would see no inputs.
  static at::Tensor forward(AutogradContext* context, const TensorFunction& f, at::TensorList tensors) {
    const variable_list inputs = tensors.vec();
    context->save_for_backward(inputs);
    context->saved_data[kFunction] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(f));
    const c10::NoGradGuard no_grad;
    return f(inputs);
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    variable_list inputs, wanted;
    std::vector<size_t> places;
    for (const at::Tensor& saved : context->get_saved_variables()) {
      inputs.push_back(saved.detach());
      const size_t place = inputs.size() - 1;
      if (!context->needs_input_grad(place)) continue;  // as this very backward pass wants it
      wanted.push_back(inputs[place].set_requires_grad(true));
      places.push_back(place);
    }
    at::Tensor out;
    {
      const c10::AutoGradMode graph(true);
      out = function_of(context)(inputs);
    }
    const variable_list gradients =
        torch::autograd::grad({out}, wanted, {outer.front()}, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    variable_list result(inputs.size() + 1);  // the first is the function's own
    for (size_t i = 0; i < places.size(); ++i) result[places[i] + 1] = gradients[i];
    return result;
  }
};

}  // namespace

at::Tensor recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs) {
  if (!c10::GradMode::is_enabled()) return f(inputs);
  return Recompute::apply(f, at::TensorList(inputs));
}

}  // namespace onestep
