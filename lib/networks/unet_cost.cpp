// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "networks/layer_cost.h"
#include "networks/unet.h"

namespace onestep {
namespace {

PassCost block_cost(const UNetBlock& block, int64_t pixels) {
  PassCost total;
  total += layer_cost(block.conv0, pixels);
  total += layer_cost(block.conv1, pixels);
  if (block.skip) total += layer_cost(*block.skip, pixels);
  total.activations *= 2;  // norms and nonlinearities keep their inputs as well
  total += layer_cost(block.affine);
  if (block.attention) {
    const int64_t kept = fuses_attention(pixels) ? 0 : 2 * pixels * pixels * block.attention->heads;
    total += layer_cost(block.attention->qkv, pixels);
    total += layer_cost(block.attention->proj, pixels);
    total += {.macs = 2 * pixels * pixels * out_channels(block), .activations = kept};
  }
  return total;
}

/// Costs of layers, one after the other.
struct Sum {
  bool recompute;
  PassCost total = {};
  int64_t largest = 0;  // activations of a block that is computed once more, one after the other

  void add(const UNetBlock& block, int64_t pixels) {
    PassCost cost = block_cost(block, pixels);
    if (recompute) {
      largest = std::max(largest, cost.activations);
      cost.activations = (in_channels(block) + out_channels(block)) * pixels;
    }
    total += cost;
  }
  void add(const Conv2d& conv, int64_t pixels) { total += layer_cost(conv, pixels); }
  void add(const Readout& readout, int64_t pixels) { add(readout.conv, pixels); }
  template <class Layer>
  void add(const std::optional<Layer>& layer, int64_t pixels) {
    if (layer) add(*layer, pixels);
  }
};

}  // namespace

PassCost pass_cost(const UNet& m, bool recompute) {
  Sum sum{.recompute = recompute};
  for (const EncoderLevel& level : m.encoder) {
    const int64_t pixels = level.resolution * level.resolution;
    sum.add(level.conv, pixels);
    sum.add(level.down, pixels);
    for (const auto* auxiliary : {&level.aux_skip, &level.aux_residual}) sum.add(*auxiliary, pixels);
    for (const UNetBlock& block : level.blocks) sum.add(block, pixels);
  }
  for (const DecoderLevel& level : m.decoder) {
    const int64_t pixels = level.resolution * level.resolution;
    for (const auto* block : {&level.in0, &level.in1, &level.up}) sum.add(*block, pixels);
    for (const UNetBlock& block : level.blocks) sum.add(block, pixels);
    sum.add(level.readout, pixels);
  }
  sum.total.activations += sum.largest;
  return sum.total;
}

}  // namespace onestep
