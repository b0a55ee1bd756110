// SPDX-License-Identifier: Apache-2.0
#include "networks/cost.h"

#include "networks/layer_cost.h"

namespace onestep {

PassCost pass_cost(const Mlp& network) {
  const auto& [dim, label_dim, width, depth, label_dropout] = network.config;
  const int64_t features = 2 * network.frequencies.size(0);
  return {.macs = (dim + features + label_dim + depth * width + dim) * width,
          .activations = dim + features + label_dim + 2 * (depth + 1) * width};
}

PassCost pass_cost(const Classifier& classifier) {
  PassCost total;
  int64_t resolution = classifier.config.img_resolution;
  for (const auto& [name, conv] : classifier.convs) {
    total += layer_cost(conv, resolution * resolution);
    resolution /= 2;
  }
  total.macs += classifier.feature.weight.numel() + classifier.logit.weight.numel();
  return total;
}

}  // namespace onestep
