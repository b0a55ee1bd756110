// SPDX-License-Identifier: Apache-2.0
#include "networks/autoencoder_tiny.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <c10/util/StringUtil.h>

#include "networks/layer_cost.h"
#include "networks/resnet_block.h"

namespace onestep {
namespace {

constexpr size_t kMostLevels = 8;
constexpr double kLatentBound = 3;  // latents are squashed into ± this before they are decoded

using Halving = TinyLayers::Halving;
using Relu = TinyLayers::Relu;
using Doubling = TinyLayers::Doubling;

Conv2d make_tiny_conv(Initializer& init, int64_t in, int64_t out, bool bias = true) {
  Conv2d conv = make_conv(init, {in, out, 3}, resnet_init());
  if (!bias) conv.bias = at::Tensor();
  return conv;
}

void append(TinyLayers& m, TinyLayers::Layer layer) {
  m.layers.emplace_back(std::to_string(m.layers.size()), std::move(layer));
}

void append_blocks(Initializer& init, TinyLayers& m, int64_t count, int64_t channels) {
  const auto conv = [&] { return make_tiny_conv(init, channels, channels); };
  for (int64_t i = 0; i < count; ++i) append(m, TinyBlock{.conv0 = conv(), .conv2 = conv(), .conv4 = conv()});
}

TinyLayers make_encoder(Initializer& init, const AutoencoderTinyConfig& c) {
  TinyLayers m;
  append(m, make_tiny_conv(init, c.in_channels, c.channels));
  for (size_t i = 0; i < c.num_encoder_blocks.size(); ++i) {
    if (i > 0) append(m, Halving{make_tiny_conv(init, c.channels, c.channels, /*bias=*/false)});
    append_blocks(init, m, c.num_encoder_blocks[i], c.channels);
  }
  append(m, make_tiny_conv(init, c.channels, c.latent_channels));
  return m;
}

TinyLayers make_decoder(Initializer& init, const AutoencoderTinyConfig& c) {
  TinyLayers m;
  append(m, make_tiny_conv(init, c.latent_channels, c.channels));
  append(m, Relu());
  for (size_t i = 0; i < c.num_decoder_blocks.size(); ++i) {
    const bool last = i + 1 == c.num_decoder_blocks.size();
    append_blocks(init, m, c.num_decoder_blocks[i], c.channels);
    if (!last) append(m, Doubling());
    append(m, make_tiny_conv(init, c.channels, last ? c.out_channels : c.channels, /*bias=*/last));
  }
  return m;
}

at::Tensor forward(const TinyBlock& m, const at::Tensor& x) {
  const at::Tensor h = at::relu(forward(m.conv2, at::relu(forward(m.conv0, x))));
  return at::relu(forward(m.conv4, h) + x);
}

at::Tensor forward(const Halving& m, const at::Tensor& x) {
  return at::conv2d(x, m.conv.weight, m.conv.bias, {2, 2}, {1, 1});
}

at::Tensor forward(const Relu&, const at::Tensor& x) {
  return at::relu(x);
}

at::Tensor forward(const Doubling&, const at::Tensor& x) {
  return at::upsample_nearest2d(x, at::IntArrayRef{2 * x.size(2), 2 * x.size(3)});
}

/// The last layer, a convolution, in float32 at least.
at::Tensor forward(const TinyLayers& m, const at::Tensor& input) {
  at::Tensor x = channels_last(input);
  const auto& [last_name, last] = m.layers.back();
  for (const auto& [name, layer] : m.layers) {
    if (&layer != &last) x = std::visit([&](const auto& chosen) { return forward(chosen, x); }, layer);
  }
  return forward_wide(std::get<Conv2d>(last), x);
}

/// What a layer costs; leaves `pixels` as they are behind it.
struct LayerCost {
  int64_t& pixels;
  PassCost operator()(const Conv2d& m) const { return layer_cost(m, pixels); }
  PassCost operator()(const TinyBlock& m) const {
    PassCost cost = layer_cost(m.conv0, pixels);
    cost += layer_cost(m.conv2, pixels);
    cost += layer_cost(m.conv4, pixels);
    return cost;
  }
  PassCost operator()(const Halving& m) const { return layer_cost(m.conv, pixels /= 4); }
  PassCost operator()(const Relu&) const { return {}; }
  PassCost operator()(const Doubling&) const {
    pixels *= 4;
    return {};
  }
};

PassCost pass_cost(const TinyLayers& m, int64_t pixels) {
  PassCost cost;
  for (const auto& [name, layer] : m.layers) cost += std::visit(LayerCost{pixels}, layer);
  return cost;
}

}  // namespace

std::string AutoencoderTinyConfig::problem() const {
  const size_t levels = num_encoder_blocks.size();
  if (levels == 0 || levels > kMostLevels)
    return c10::str("num_encoder_blocks must have 1 to ", kMostLevels, " entries, got ", levels);
  if (num_decoder_blocks.size() != levels)
    return c10::str("num_encoder_blocks has ", levels, " entries, num_decoder_blocks ",
                    num_decoder_blocks.size());
  return "";
}

int64_t halvings(const AutoencoderTinyConfig& config) {
  return std::ssize(config.num_encoder_blocks) - 1;
}

AutoencoderTiny make_network(const AutoencoderTinyConfig& c, uint64_t seed, at::Device device) {
  TORCH_CHECK(c.problem().empty(), "make_network: ", c.problem());
  Initializer init{.seed = seed, .device = device};
  return {.config = c, .encoder = make_encoder(init, c), .decoder = make_decoder(init, c)};
}

at::Tensor encode(const AutoencoderTiny& m, const at::Tensor& images) {
  return forward(m.encoder, (images + 1) / 2).to(images.scalar_type());
}

at::Tensor decode(const AutoencoderTiny& m, const at::Tensor& z) {
  const at::Tensor bounded = at::tanh(z / kLatentBound) * kLatentBound;
  return (forward(m.decoder, bounded) * 2 - 1).to(z.scalar_type());
}

PassCost encode_cost(const AutoencoderTiny& m, int64_t pixels) {
  return pass_cost(m.encoder, pixels);
}

PassCost decode_cost(const AutoencoderTiny& m, int64_t pixels) {
  return pass_cost(m.decoder, pixels >> 2 * halvings(m.config));
}

}  // namespace onestep
