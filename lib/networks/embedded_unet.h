// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/layer_cost.h"
#include "networks/unet.h"

/// What SongUNet and DhariwalUNet have in common beside the U-Net: configurations with the same keys, and
/// layers of the same names that make the embedding.
namespace onestep {

template <class Config>
int64_t embedding_width(const Config& c) {
  return c.model_channels * c.channel_mult_emb;
}

template <class Config>
int64_t output_channels(const Config& c) {
  return c.out_channels > 0 ? c.out_channels : c.img_channels;
}

/// "" where the output holds the images' channels.
template <class Config>
std::string output_problem(const Config& c) {
  return output_channels(c) < c.img_channels ? "out_channels must be 0 or at least img_channels" : "";
}

template <class Net>
NetworkOutput forward_embedded(const Net& m, const at::Tensor& x, at::Tensor embedding, DropoutStream* masks,
                               const Wanted& wanted) {
  const UNetContext context{
      .embedding = std::move(embedding), .masks = masks, .recompute = m.config.recompute == "blocks"};
  return forward(m.unet, x, context, taps_named(wanted.taps, feature_taps(m.config)), wanted.output);
}

template <class Net>
PassCost embedded_cost(const Net& m) {
  PassCost total = pass_cost(m.unet, m.config.recompute == "blocks");
  for (const Linear* layer : {&m.map_layer0, &m.map_layer1}) total += layer_cost(*layer);
  for (const auto* layer : {&m.map_augment, &m.map_label})
    if (*layer) total += layer_cost(**layer);
  return total;
}

}  // namespace onestep
