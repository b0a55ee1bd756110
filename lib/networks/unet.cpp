// SPDX-License-Identifier: Apache-2.0
#include "networks/unet.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/util/StringUtil.h>

namespace onestep {

std::string resolution_name(int64_t resolution) {
  return c10::str(resolution, "x", resolution);
}

namespace {

/// How many channels one of the norms would have to split into unequal groups, or 0. Blocks of the decoder
/// see two maps at once.
int64_t uneven_norm(const UNetShape& s) {
  std::vector<int64_t> widths{s.stem};
  for (size_t i = 0; i < s.channels.size(); ++i) {
    const int64_t finer = i == 0 ? s.stem : s.channels[i - 1];
    for (const int64_t beside : {int64_t{0}, finer, s.channels[i]}) widths.push_back(s.channels[i] + beside);
  }
  const auto uneven = [](int64_t channels) { return channels % norm_groups(channels) != 0; };
  const auto found = std::find_if(widths.begin(), widths.end(), uneven);
  return found == widths.end() ? 0 : *found;
}

bool attends(const UNetShape& s, int64_t resolution) {
  return std::find(s.attn_resolutions.begin(), s.attn_resolutions.end(), resolution) !=
         s.attn_resolutions.end();
}

/// The same of the heads of attention.
int64_t uneven_attention(const UNetShape& s) {
  if (s.style.channels_per_head == 0) return 0;
  for (size_t i = 0; i < s.channels.size(); ++i) {
    const int64_t heads = s.channels[i] / s.style.channels_per_head;
    const bool used = i + 1 == s.channels.size() || attends(s, s.resolution >> i);
    if (used && heads > 0 && s.channels[i] % heads != 0) return s.channels[i];
  }
  return 0;
}

}  // namespace

std::string problem_of(const UNetShape& s) {
  if (s.channels.empty()) return "channel_mult needs at least one entry";
  if (s.channels.size() > 12 || s.resolution % (int64_t{1} << (s.channels.size() - 1)) != 0) {
    return c10::str("img_resolution ", s.resolution, " can't be halved ", s.channels.size() - 1,
                    " times, as channel_mult asks");
  }
  if (const int64_t channels = uneven_norm(s); channels > 0) {
    return c10::str("a norm over ", channels,
                    " channels can't have equal groups; make channels multiples of 4, ",
                    "or of 32 where there are more than 64");
  }
  if (const int64_t channels = uneven_attention(s); channels > 0) {
    return c10::str(channels, " channels can't be split into ", channels / s.style.channels_per_head,
                    " equal heads of attention");
  }
  if (s.style.filter.empty() || s.style.filter.size() % 2 != 0 || s.style.filter.size() > 16) {
    return "resample_filter needs an even number of taps, 16 at most";
  }
  return "";
}

std::vector<FeatureTap> feature_taps(const UNetShape& s) {
  std::vector<FeatureTap> taps;
  for (size_t level = 0; level < s.channels.size(); ++level) {
    const int64_t resolution = s.resolution >> level;
    taps.push_back({resolution_name(resolution), s.channels[level], resolution, resolution});
  }
  return taps;
}

UNet make_unet(Initializer& init, const UNetShape& s) {
  const auto levels = static_cast<int64_t>(s.channels.size());
  const auto block = [&](int64_t in, int64_t out, bool attention, Resample resample = Resample::none) {
    return make_unet_block(init, s.style, {in, out, resample, attention});
  };
  const auto conv = [&](const ConvShape& shape) { return make_conv(init, shape, s.style.init); };

  UNet m;
  std::vector<int64_t> skips;  // channels of every encoder output
  int64_t channels = s.stem;
  int64_t image = s.in;  // channels of the image's path
  for (int64_t i = 0; i < levels; ++i) {
    EncoderLevel level{.resolution = s.resolution >> i};
    if (i == 0) {
      level.conv = conv({s.in, channels, 3});
    } else {
      level.down = block(channels, channels, false, Resample::down);
    }
    if (i > 0 && s.encoder == ImagePath::skip) {
      level.aux_down = conv({image, image, 0, Resample::down, s.style.filter});
      level.aux_skip = conv({image, channels, 1});
    }
    if (i > 0 && s.encoder == ImagePath::residual) {
      level.aux_residual = conv({image, channels, 3, Resample::down, s.style.filter, /*fused=*/true});
      image = channels;
    }
    skips.push_back(channels);
    for (int64_t k = 0; k < s.num_blocks; ++k) {
      level.blocks.push_back(block(channels, s.channels[i], attends(s, level.resolution)));
      channels = s.channels[i];
      skips.push_back(channels);
    }
    m.encoder.push_back(std::move(level));
  }

  for (int64_t i = levels - 1; i >= 0; --i) {
    DecoderLevel level{.resolution = s.resolution >> i};
    if (i == levels - 1) {
      level.in0 = block(channels, channels, true);
      level.in1 = block(channels, channels, false);
    } else {
      level.up = block(channels, channels, false, Resample::up);
    }
    for (int64_t k = 0; k <= s.num_blocks; ++k) {
      const bool attention = attends(s, level.resolution) && (s.attends_while_decoding || k == s.num_blocks);
      level.blocks.push_back(block(channels + skips.back(), s.channels[i], attention));
      skips.pop_back();
      channels = s.channels[i];
    }
    const bool skip = s.decoder == ImagePath::skip;
    if (skip && i < levels - 1) level.aux_up = conv({s.out, s.out, 0, Resample::up, s.style.filter});
    if (skip || i == 0) {
      level.readout = {.name = i == 0 ? s.readout : "dec." + resolution_name(level.resolution) + "_aux",
                       .norm = make_group_norm(init, channels, s.style.eps),
                       .conv = make_conv(init, {channels, s.out, 3}, s.style.init_last)};
    }
    m.decoder.push_back(std::move(level));
  }
  return m;
}

namespace {

at::Tensor forward(const UNetBlock& block, const at::Tensor& x, const UNetContext& c) {
  return c.recompute ? forward_recomputed(block, x, c.embedding, c.masks)
                     : onestep::forward(block, x, c.embedding, c.masks);
}

at::Tensor forward(const Readout& m, const at::Tensor& x) {
  return onestep::forward(m.conv, norm_silu(m.norm, x));
}

/// The encoder's outputs, one a block, finest first, as far as the resolution `coarsest`.
std::vector<at::Tensor> encode(const UNet& m, const at::Tensor& input, const UNetContext& context,
                               int64_t coarsest) {
  std::vector<at::Tensor> skips;
  at::Tensor x = input, image = input;
  for (const EncoderLevel& level : m.encoder) {
    if (level.resolution < coarsest) break;
    x = level.conv ? onestep::forward(*level.conv, x) : forward(*level.down, x, context);
    if (level.aux_skip) {
      image = onestep::forward(*level.aux_down, image);
      x = x + onestep::forward(*level.aux_skip, image);
    }
    if (level.aux_residual) {
      image = (x + onestep::forward(*level.aux_residual, image)) * std::sqrt(0.5);
      x = image;
    }
    skips.push_back(x);
    for (const UNetBlock& block : level.blocks) {
      x = forward(block, x, context);
      skips.push_back(x);
    }
  }
  return skips;
}

/// F of the encoder's outputs.
at::Tensor decode(const UNet& m, std::vector<at::Tensor> skips, const UNetContext& context) {
  at::Tensor x = skips.back(), image;
  for (const DecoderLevel& level : m.decoder) {
    if (level.up) {
      x = forward(*level.up, x, context);
    } else {
      x = forward(*level.in1, forward(*level.in0, x, context), context);
    }
    for (const UNetBlock& block : level.blocks) {
      x = forward(block, at::cat({x, skips.back()}, 1), context);
      skips.pop_back();
    }
    if (level.aux_up) image = onestep::forward(*level.aux_up, image);
    if (level.readout) {
      const at::Tensor read = forward(*level.readout, x);
      image = image.defined() ? image + read : read;
    }
  }
  return image;
}

}  // namespace

NetworkOutput forward(const UNet& m, const at::Tensor& x, const UNetContext& context,
                      const std::vector<FeatureTap>& taps, bool output) {
  int64_t coarsest = output ? 0 : x.size(-1) + 1;
  for (const FeatureTap& tap : taps) coarsest = std::min(coarsest, tap.height);
  std::vector<at::Tensor> skips = encode(m, channels_last(x), context, coarsest);
  NetworkOutput out;
  for (const FeatureTap& tap : taps) {
    out.features.push_back(*std::find_if(
        skips.rbegin(), skips.rend(), [&](const at::Tensor& skip) { return skip.size(-1) == tap.height; }));
  }
  if (output) out.output = decode(m, std::move(skips), context).contiguous();
  return out;
}

}  // namespace onestep
