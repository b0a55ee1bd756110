// SPDX-License-Identifier: Apache-2.0
#include "networks/space_to_depth.h"

#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/pixel_unshuffle.h>

namespace onestep {

at::Tensor space_to_depth(const at::Tensor& x) {
  return at::pixel_unshuffle(x, 2);
}

at::Tensor depth_to_space(const at::Tensor& x) {
  return at::pixel_shuffle(x, 2);
}

}  // namespace onestep
