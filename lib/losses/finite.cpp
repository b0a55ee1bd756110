// SPDX-License-Identifier: Apache-2.0
#include "losses/finite.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace onestep {

at::Tensor finite_samples(const at::Tensor& values) {
  const at::Tensor finite = values.detach().isfinite();
  return finite.dim() == 1 ? finite : finite.flatten(1).all(1);
}

at::Tensor kept(const at::Tensor& values, const at::Tensor& keep) {
  std::vector<int64_t> shape(static_cast<size_t>(values.dim()), 1);
  shape[0] = -1;
  return at::where(keep.view(shape), values, at::zeros({}, values.options()));
}

}  // namespace onestep
