// SPDX-License-Identifier: Apache-2.0
#include "networks/patch_discriminator.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/silu.h>

#include "kernels/philox.h"
#include "networks/layer_cost.h"
#include "noise/purpose.h"

namespace onestep {

PatchDiscriminator make_patch_discriminator(const PatchDiscriminatorConfig& config, int64_t image_channels,
                                            uint64_t seed, at::Device device) {
  Initializer init{.seed = kernels::philox_bits(seed, word(Purpose::head_weights), 0, 0), .device = device};
  PatchDiscriminator m;
  int64_t in = image_channels;
  for (int64_t level = 0; level < config.levels; ++level) {
    const int64_t out = config.channels << level;
    const std::string key = std::to_string(level);
    m.convs.emplace_back(key, make_conv(init, {in, out, 3}));
    if (level > 0) m.norms.emplace_back(key, make_group_norm(init, out));
    in = out;
  }
  m.logit = make_conv(init, {in, 1, 3});
  return m;
}

at::Tensor forward(const PatchDiscriminator& m, const at::Tensor& pictures) {
  at::Tensor x = channels_last(pictures.to(m.logit.weight.scalar_type()));
  for (size_t level = 0; level < m.convs.size(); ++level) {
    const Conv2d& conv = m.convs[level].second;
    x = at::conv2d(x, conv.weight, conv.bias, {2, 2}, {1, 1});
    x = level == 0 ? at::silu(x) : norm_silu(m.norms[level - 1].second, x);
  }
  return forward_wide(m.logit, x).flatten(1);
}

PassCost pass_cost(const PatchDiscriminator& m, const ImageShape& picture) {
  PassCost cost;
  int64_t height = picture.height, width = picture.width;
  for (const auto& [key, conv] : m.convs) {
    height = (height + 1) / 2;
    width = (width + 1) / 2;
    cost += layer_cost(conv, height * width);
  }
  cost += layer_cost(m.logit, height * width);
  return cost;
}

}  // namespace onestep
