// SPDX-License-Identifier: Apache-2.0
#include "networks/cost.h"

#include <algorithm>
#include <charconv>

#include "networks/layer_cost.h"

namespace onestep {
namespace {

PassCost block_cost(const UNetBlock& block, int64_t pixels) {
  PassCost total;
  total += layer_cost(block.conv0, pixels);
  total += layer_cost(block.conv1, pixels);
  if (block.skip) total += layer_cost(*block.skip, pixels);
  total.activations *= 2;  // norms and nonlinearities keep their inputs as well
  if (block.attention) {
    const int64_t channels = block.norm1.weight.size(0);
    total += layer_cost(block.attention->qkv, pixels);
    total += layer_cost(block.attention->proj, pixels);
    total += {.macs = 2 * pixels * pixels * channels, .activations = 2 * pixels * pixels};
  }
  return total;
}

/// "14x14_block0" → 196.
int64_t pixels_of(const std::string& layer_name) {
  int64_t resolution = 0;
  std::from_chars(layer_name.data(), layer_name.data() + layer_name.size(), resolution);
  return resolution * resolution;
}

}  // namespace

PassCost pass_cost(const SongUNet& network) {
  const bool recomputed = network.config.recompute == "blocks";
  int64_t largest = 0;  // of the blocks that are computed once more, one after the other
  PassCost total;
  for (const NamedLayers* half : {&network.encoder, &network.decoder}) {
    for (const auto& [name, layer] : *half) {
      if (const auto* conv = std::get_if<Conv2d>(&layer)) {
        total += layer_cost(*conv, pixels_of(name));
        continue;
      }
      const auto& block = std::get<UNetBlock>(layer);
      PassCost cost = block_cost(block, pixels_of(name));
      if (recomputed) {
        largest = std::max(largest, cost.activations);
        cost.activations = (in_channels(block) + block.norm1.weight.size(0)) * pixels_of(name);
      }
      total += cost;
    }
  }
  total.activations += largest;
  total += layer_cost(network.out_conv, network.config.img_resolution * network.config.img_resolution);
  return total;
}

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
