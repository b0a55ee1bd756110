// SPDX-License-Identifier: Apache-2.0
#include "losses/gaussian_kl.h"

#include <ATen/TensorOperators.h>

namespace onestep {

at::Tensor gaussian_kl(const at::Tensor& mean, const at::Tensor& std) {
  return 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).flatten(1).sum(1);
}

}  // namespace onestep
