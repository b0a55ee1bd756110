// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "config/check.h"

namespace onestep {

/// The keys that configurations of the EDM family's U-Nets share, named as the official constructors' ones.
template <class Self, class Visit>
void unet_fields(Self& c, Visit&& visit) {
  visit("img_resolution", c.img_resolution, "height and width that the network sees",
        config::between(1, 4096));
  visit("img_channels", c.img_channels, "channels in", config::between(1, 1024));
  visit("out_channels", c.out_channels, "channels out; 0 is as many as in, and more than those are not used",
        config::between(0, 1024));
  visit("label_dim", c.label_dim, "number of classes; 0 is unconditional", config::between(0, 1e6));
  visit("augment_dim", c.augment_dim, "number of augmentation labels; 0 is none", config::between(0, 1024));
  visit("model_channels", c.model_channels, "base number of channels", config::between(2, 4096));
  visit("channel_mult", c.channel_mult, "channels of each resolution, as multiples of the base",
        config::between(1, 64));
  visit("channel_mult_emb", c.channel_mult_emb, "width of the embedding, as a multiple of the base",
        config::between(1, 64));
  visit("num_blocks", c.num_blocks, "residual blocks a resolution (one more in the decoder)",
        config::between(1, 64));
  visit("attn_resolutions", c.attn_resolutions, "resolutions with self-attention", config::between(1, 4096));
  visit("dropout", c.dropout, "dropout rate inside blocks, in training", config::between(0, 0.99));
  visit("label_dropout", c.label_dropout, "share of labels hidden in training", config::between(0, 1));
}

}  // namespace onestep
