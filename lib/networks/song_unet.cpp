// SPDX-License-Identifier: Apache-2.0
#include "networks/song_unet.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>

#include "networks/embedded_unet.h"

namespace onestep {
namespace {

int64_t noise_width(const SongUNetConfig& c) {
  return c.model_channels * c.channel_mult_noise;
}

ImagePath image_path(const std::string& type) {
  if (type == "skip") return ImagePath::skip;
  return type == "residual" ? ImagePath::residual : ImagePath::none;
}

UNetShape shape_of(const SongUNetConfig& c) {
  UNetShape shape{.resolution = c.img_resolution,
                  .in = c.img_channels,
                  .out = output_channels(c),
                  .stem = c.model_channels,
                  .num_blocks = c.num_blocks,
                  .attn_resolutions = c.attn_resolutions,
                  .attends_while_decoding = false,
                  .encoder = image_path(c.encoder_type),
                  .decoder = image_path(c.decoder_type),
                  .readout = "dec." + resolution_name(c.img_resolution) + "_aux",
                  .style = song_style(embedding_width(c), c.resample_filter)};
  for (const int64_t mult : c.channel_mult) shape.channels.push_back(c.model_channels * mult);
  return shape;
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
  if (const std::string problem = output_problem(*this); !problem.empty()) return problem;
  if (noise_width(*this) % 2 != 0) return "model_channels * channel_mult_noise must be even";
  if (embedding_type == "positional" && noise_width(*this) < 4) {
    return "a positional embedding needs model_channels * channel_mult_noise >= 4";
  }
  return problem_of(shape_of(*this));
}

ImageShape image_shape(const SongUNetConfig& c) {
  return {c.img_channels, c.img_resolution, c.img_resolution};
}

int64_t label_dim(const SongUNetConfig& config) {
  return config.label_dim;
}

std::vector<FeatureTap> feature_taps(const SongUNetConfig& config) {
  return feature_taps(shape_of(config));
}

SongUNet make_network(const SongUNetConfig& c, uint64_t seed, at::Device device) {
  Initializer init{.seed = seed, .device = device};
  const int64_t noise = noise_width(c), width = embedding_width(c);
  SongUNet m{.config = c};
  if (c.embedding_type == "fourier") m.frequencies = init.normal({noise / 2}, 16);
  if (c.label_dim > 0) m.map_label = make_linear(init, c.label_dim, noise);
  if (c.augment_dim > 0) m.map_augment = make_linear(init, c.augment_dim, noise, /*bias=*/false);
  m.map_layer0 = make_linear(init, noise, width);
  m.map_layer1 = make_linear(init, width, width);
  m.unet = make_unet(init, shape_of(c));
  return m;
}

NetworkOutput forward(const SongUNet& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted) {
  return forward_embedded(m, x, embed(m, conditioning), conditioning.masks, wanted);
}

PassCost pass_cost(const SongUNet& m) {
  return embedded_cost(m);
}

static_assert(RawNetwork<SongUNet>);

}  // namespace onestep
