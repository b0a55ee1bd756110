// SPDX-License-Identifier: Apache-2.0
#include "networks/layer_cost.h"

namespace onestep {

PassCost& operator+=(PassCost& total, const PassCost& part) {
  total.macs += part.macs;
  total.activations += part.activations;
  return total;
}

PassCost layer_cost(const Conv2d& conv, int64_t pixels) {
  if (!conv.weight.defined()) return {};
  // A fused layer is filtered after its convolution, which still has all pixels.
  const int64_t convolved = conv.fused && conv.resample == Resample::down ? 4 * pixels : pixels;
  return {.macs = conv.weight.numel() * convolved,
          .activations = (conv.weight.size(0) + conv.weight.size(1)) * pixels};
}

PassCost layer_cost(const Linear& linear) {
  return {.macs = linear.weight.numel(), .activations = 0};
}

}  // namespace onestep
