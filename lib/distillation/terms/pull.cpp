// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/pull.h"

#include <ATen/TensorOperators.h>

namespace onestep {

at::Tensor gradient_at(const at::Tensor& images, const at::Tensor& losses) {
  images.mutable_grad() = at::Tensor();
  losses.sum().backward({}, /*retain_graph=*/true, /*create_graph=*/false, std::vector<at::Tensor>{images});
  const at::Tensor gradient = images.grad();
  images.mutable_grad() = at::Tensor();
  return gradient;
}

}  // namespace onestep
