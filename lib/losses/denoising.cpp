// SPDX-License-Identifier: Apache-2.0
#include "losses/denoising.h"

#include <ATen/TensorOperators.h>
#include <c10/core/ScalarType.h>

namespace onestep {

at::Tensor denoising_loss(const at::Tensor& denoised, const at::Tensor& y, const at::Tensor& weight) {
  TORCH_CHECK(denoised.dim() >= 2 && denoised.sizes() == y.sizes(), "denoising loss: denoised images ",
              denoised.sizes(), " and clean images ", y.sizes(), " must be the same [N, ...]");
  const at::ScalarType wide = c10::promoteTypes(denoised.scalar_type(), at::kFloat);
  const at::Tensor error = (denoised.to(wide) - y.detach().to(wide)).square().flatten(1).sum(1);
  if (!weight.defined()) return error;
  TORCH_CHECK(weight.sizes() == error.sizes(), "denoising loss: weights must be ", error.sizes(), ", got ",
              weight.sizes());
  return weight.detach().to(wide) * error;
}

}  // namespace onestep
