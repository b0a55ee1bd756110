// SPDX-License-Identifier: Apache-2.0
#include "networks/dhariwal_unet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/silu.h>

#include "networks/embedded_unet.h"

namespace onestep {
namespace {

UNetShape shape_of(const DhariwalUNetConfig& c) {
  UNetShape shape{.resolution = c.img_resolution,
                  .in = c.img_channels,
                  .out = output_channels(c),
                  .num_blocks = c.num_blocks,
                  .attn_resolutions = c.attn_resolutions,
                  .attends_while_decoding = true,
                  .readout = "out",
                  .style = adm_style(embedding_width(c))};
  for (const int64_t mult : c.channel_mult) shape.channels.push_back(c.model_channels * mult);
  if (!shape.channels.empty()) shape.stem = shape.channels.front();
  return shape;
}

at::Tensor embed(const DhariwalUNet& m, const Conditioning& c) {
  at::Tensor embedding = positional_embedding(c.noise_labels, m.config.model_channels, /*endpoint=*/false);
  if (m.map_augment && c.augment_labels.defined()) {
    embedding = embedding + forward(*m.map_augment, c.augment_labels);
  }
  embedding = forward(m.map_layer1, at::silu(forward(m.map_layer0, embedding)));
  if (m.map_label && c.condition.classes.defined()) {
    embedding = embedding + forward(*m.map_label, c.condition.classes);
  }
  return at::silu(embedding);
}

}  // namespace

std::string DhariwalUNetConfig::problem() const {
  if (const std::string problem = output_problem(*this); !problem.empty()) return problem;
  if (model_channels % 2 != 0) return "model_channels must be even";
  return problem_of(shape_of(*this));
}

ImageShape image_shape(const DhariwalUNetConfig& c) {
  return {c.img_channels, c.img_resolution, c.img_resolution};
}

int64_t label_dim(const DhariwalUNetConfig& config) {
  return config.label_dim;
}

std::vector<FeatureTap> feature_taps(const DhariwalUNetConfig& config) {
  return feature_taps(shape_of(config));
}

DhariwalUNet make_network(const DhariwalUNetConfig& c, uint64_t seed, at::Device device) {
  Initializer init{.seed = seed, .device = device};
  const UNetShape shape = shape_of(c);
  const int64_t width = embedding_width(c);
  DhariwalUNet m{.config = c};
  if (c.augment_dim > 0) {
    m.map_augment = make_linear(init, c.augment_dim, c.model_channels, /*bias=*/false, shape.style.init_last);
  }
  m.map_layer0 = make_linear(init, c.model_channels, width, /*bias=*/true, shape.style.init);
  m.map_layer1 = make_linear(init, width, width, /*bias=*/true, shape.style.init);
  if (c.label_dim > 0) m.map_label = Linear{.weight = init.normal({width, c.label_dim}), .bias = {}};
  m.unet = make_unet(init, shape);
  return m;
}

NetworkOutput forward(const DhariwalUNet& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted) {
  return forward_embedded(m, x, embed(m, conditioning), conditioning.masks, wanted);
}

PassCost pass_cost(const DhariwalUNet& m) {
  return embedded_cost(m);
}

static_assert(RawNetwork<DhariwalUNet>);

}  // namespace onestep
