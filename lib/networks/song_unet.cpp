// SPDX-License-Identifier: Apache-2.0
#include "networks/song_unet.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>
#include <c10/util/StringUtil.h>

namespace onestep {
namespace {

std::string layer_name(int64_t resolution, const std::string& what) {
  return c10::str(resolution, "x", resolution, "_", what);
}

/// "32x32_block0" → 32.
int64_t resolution_of(const std::string& layer) {
  return std::stoll(layer);
}

bool is_auxiliary(const std::string& name) {
  return name.ends_with("aux_residual");
}

/// DDPM++ and NCSN++ exchange the halves of the embedding: sine first.
at::Tensor sine_first(const at::Tensor& embedding) {
  const auto halves = embedding.chunk(2, 1);
  return at::cat({halves[1], halves[0]}, 1);
}

at::Tensor embed(const SongUNet& m, const Conditioning& c) {
  const int64_t width = m.map_layer0.weight.size(1);
  at::Tensor embedding =
      sine_first(m.frequencies.defined() ? fourier_embedding(c.noise_labels, m.frequencies)
                                         : positional_embedding(c.noise_labels, width, true));
  if (m.map_label && c.condition.classes.defined()) {
    const double scale = std::sqrt(static_cast<double>(m.config.label_dim));
    embedding = embedding + forward(*m.map_label, c.condition.classes * scale);
  } else if (m.map_label) {
    embedding = embedding + m.map_label->bias;  // a row of zeros as labels
  }
  if (m.map_augment && c.augment_labels.defined()) {
    embedding = embedding + forward(*m.map_augment, c.augment_labels);
  }
  embedding = at::silu(forward(m.map_layer0, embedding));
  return at::silu(forward(m.map_layer1, embedding));
}

}  // namespace

std::string SongUNetConfig::problem() const {
  if (channel_mult.empty()) return "channel_mult needs at least one entry";
  if (channel_mult.size() > 12 || img_resolution % (int64_t{1} << (channel_mult.size() - 1)) != 0) {
    return c10::str("img_resolution ", img_resolution, " can't be halved ", channel_mult.size() - 1,
                    " times, as channel_mult asks");
  }
  if (model_channels * channel_mult_noise % 2 != 0) return "model_channels * channel_mult_noise must be even";
  if (embedding_type == "positional" && model_channels * channel_mult_noise < 4) {
    return "a positional embedding needs model_channels * channel_mult_noise >= 4";
  }
  const auto groups_fit = [](int64_t channels) {
    return channels % std::min<int64_t>(32, std::max<int64_t>(channels / 4, 1)) == 0;
  };
  for (const int64_t mult : channel_mult) {
    if (!groups_fit(mult * model_channels)) {
      return c10::str(mult * model_channels,
                      " channels can't be split into equal groups; use a multiple of 4");
    }
  }
  if (resample_filter.empty() || resample_filter.size() % 2 != 0 || resample_filter.size() > 16) {
    return "resample_filter needs an even number of taps, 16 at most";
  }
  return "";
}

ImageShape image_shape(const SongUNetConfig& c) {
  return {c.img_channels, c.img_resolution, c.img_resolution};
}

int64_t label_dim(const SongUNetConfig& config) {
  return config.label_dim;
}

std::vector<FeatureTap> feature_taps(const SongUNetConfig& c) {
  std::vector<FeatureTap> taps;
  for (size_t level = 0; level < c.channel_mult.size(); ++level) {
    const int64_t resolution = c.img_resolution >> level;
    taps.push_back({c10::str(resolution, "x", resolution), c.model_channels * c.channel_mult[level],
                    resolution, resolution});
  }
  return taps;
}

SongUNet make_network(const SongUNetConfig& c, uint64_t seed, at::Device device) {
  Initializer init{.seed = seed, .device = device};
  const int64_t width = c.model_channels * c.channel_mult_emb;
  const int64_t noise_width = c.model_channels * c.channel_mult_noise;
  const auto levels = static_cast<int64_t>(c.channel_mult.size());
  const auto attends = [&](int64_t resolution) {
    return std::find(c.attn_resolutions.begin(), c.attn_resolutions.end(), resolution) !=
           c.attn_resolutions.end();
  };
  const UNetBlockStyle style = song_style(width, c.resample_filter);
  const auto block = [&](int64_t in, int64_t out, bool attention, Resample resample = Resample::none) {
    return make_unet_block(init, style, {in, out, resample, attention});
  };

  SongUNet m{.config = c};
  if (c.embedding_type == "fourier") m.frequencies = init.normal({noise_width / 2}, 16);
  if (c.label_dim > 0) m.map_label = make_linear(init, c.label_dim, noise_width);
  if (c.augment_dim > 0) m.map_augment = make_linear(init, c.augment_dim, noise_width, /*bias=*/false);
  m.map_layer0 = make_linear(init, noise_width, width);
  m.map_layer1 = make_linear(init, width, width);

  std::vector<int64_t> skips;  // channels of every encoder output
  int64_t channels = c.model_channels;
  int64_t auxiliary = c.img_channels;
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t resolution = c.img_resolution >> level;
    if (level == 0) {
      m.encoder.emplace_back(layer_name(resolution, "conv"), make_conv(init, {c.img_channels, channels, 3}));
    } else {
      m.encoder.emplace_back(layer_name(resolution, "down"),
                             block(channels, channels, false, Resample::down));
      if (c.encoder_type == "residual") {
        m.encoder.emplace_back(
            layer_name(resolution, "aux_residual"),
            make_conv(init, {auxiliary, channels, 3, Resample::down, c.resample_filter, true}));
        auxiliary = channels;
      }
    }
    skips.push_back(channels);
    for (int64_t i = 0; i < c.num_blocks; ++i) {
      const int64_t out = c.model_channels * c.channel_mult[level];
      m.encoder.emplace_back(layer_name(resolution, c10::str("block", i)),
                             block(channels, out, attends(resolution)));
      channels = out;
      skips.push_back(channels);
    }
  }

  for (int64_t level = levels - 1; level >= 0; --level) {
    const int64_t resolution = c.img_resolution >> level;
    if (level == levels - 1) {
      m.decoder.emplace_back(layer_name(resolution, "in0"), block(channels, channels, true));
      m.decoder.emplace_back(layer_name(resolution, "in1"), block(channels, channels, false));
    } else {
      m.decoder.emplace_back(layer_name(resolution, "up"), block(channels, channels, false, Resample::up));
    }
    for (int64_t i = 0; i <= c.num_blocks; ++i) {
      const int64_t out = c.model_channels * c.channel_mult[level];
      const bool attention = i == c.num_blocks && attends(resolution);
      m.decoder.emplace_back(layer_name(resolution, c10::str("block", i)),
                             block(channels + skips.back(), out, attention));
      skips.pop_back();
      channels = out;
    }
  }
  m.out_norm = make_group_norm(init, channels, 1e-6);
  m.out_conv = make_conv(init, {channels, c.img_channels, 3}, 1e-5);
  return m;
}

namespace {

/// How its blocks are computed.
auto block_forward(const SongUNet& m) {
  using Forward = at::Tensor (*)(const UNetBlock&, const at::Tensor&, const at::Tensor&, DropoutStream*);
  const Forward keeping = forward, recomputing = forward_recomputed;
  return m.config.recompute == "blocks" ? recomputing : keeping;
}

/// The encoder's outputs, one a layer, finest first; as far as a resolution of `lowest`.
std::vector<at::Tensor> encode(const SongUNet& m, const at::Tensor& image, const at::Tensor& embedding,
                               DropoutStream* masks, int64_t lowest) {
  const auto block = block_forward(m);
  std::vector<at::Tensor> skips;
  at::Tensor x = image;
  at::Tensor auxiliary = image;
  for (const auto& [name, layer] : m.encoder) {
    if (resolution_of(name) < lowest) break;
    if (is_auxiliary(name)) {
      auxiliary = (x + forward(std::get<Conv2d>(layer), auxiliary)) * std::sqrt(0.5);
      x = skips.back() = auxiliary;
      continue;
    }
    x = std::holds_alternative<Conv2d>(layer) ? forward(std::get<Conv2d>(layer), x)
                                              : block(std::get<UNetBlock>(layer), x, embedding, masks);
    skips.push_back(x);
  }
  return skips;
}

/// F of the encoder's outputs, of which the last one comes first.
at::Tensor decode(const SongUNet& m, std::vector<at::Tensor> skips, const at::Tensor& embedding,
                  DropoutStream* masks) {
  const auto block = block_forward(m);
  at::Tensor x = skips.back();
  for (const auto& [name, layer] : m.decoder) {
    const UNetBlock& unet_block = std::get<UNetBlock>(layer);
    if (x.size(1) != in_channels(unet_block)) {
      x = at::cat({x, skips.back()}, 1);
      skips.pop_back();
    }
    x = block(unet_block, x, embedding, masks);
  }
  return forward(m.out_conv, at::silu(forward(m.out_norm, x)));
}

}  // namespace

NetworkOutput forward(const SongUNet& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted) {
  const std::vector<FeatureTap> taps = taps_named(wanted.taps, feature_taps(m.config));
  int64_t lowest = wanted.output ? 0 : m.config.img_resolution;
  for (const FeatureTap& tap : taps) lowest = std::min(lowest, tap.height);
  const at::Tensor embedding = embed(m, conditioning);
  const std::vector<at::Tensor> skips = encode(m, x, embedding, conditioning.masks, lowest);
  NetworkOutput out;
  for (const FeatureTap& tap : taps) {
    out.features.push_back(*std::find_if(
        skips.rbegin(), skips.rend(), [&](const at::Tensor& skip) { return skip.size(-1) == tap.height; }));
  }
  if (wanted.output) out.output = decode(m, skips, embedding, conditioning.masks);
  return out;
}

}  // namespace onestep
