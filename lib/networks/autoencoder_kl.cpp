// SPDX-License-Identifier: Apache-2.0
#include "networks/autoencoder_kl.h"

#include <algorithm>

#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <c10/util/StringUtil.h>

#include "networks/layer_cost.h"

namespace onestep {
namespace {

constexpr size_t kMostLevels = 8;
constexpr double kEps = 1e-6;
constexpr double kLeastLogvar = -30, kMostLogvar = 20;

AutoencoderMiddle make_middle(Initializer& init, const AutoencoderKlConfig& c) {
  const ResnetStyle style{c.norm_num_groups, kEps};
  const int64_t width = c.block_out_channels.back();
  AutoencoderMiddle m{.first = make_resnet_block(init, style, width, width), .second = {}, .attention = {}};
  if (c.mid_block_add_attention) m.attention = make_pixel_attention(init, style, width);
  m.second = make_resnet_block(init, style, width, width);
  return m;
}

/// `blocks` residual blocks, of which the first comes from `in` channels.
AutoencoderLevel make_level(Initializer& init, const AutoencoderKlConfig& c, int64_t in, int64_t out,
                            int64_t blocks) {
  AutoencoderLevel level;
  for (int64_t i = 0; i < blocks; ++i) {
    level.resnets.emplace_back(std::to_string(i),
                               make_resnet_block(init, {c.norm_num_groups, kEps}, i == 0 ? in : out, out));
  }
  return level;
}

KlEncoder make_encoder(Initializer& init, const AutoencoderKlConfig& c) {
  const std::vector<int64_t>& widths = c.block_out_channels;
  KlEncoder m{.conv_in = make_conv(init, {c.in_channels, widths.front(), 3}, resnet_init())};
  for (size_t i = 0; i < widths.size(); ++i) {
    const int64_t in = widths[i == 0 ? 0 : i - 1];
    AutoencoderLevel level = make_level(init, c, in, widths[i], c.layers_per_block);
    if (i + 1 < widths.size()) level.downsampler = make_conv(init, {widths[i], widths[i], 3}, resnet_init());
    m.down_blocks.emplace_back(std::to_string(i), std::move(level));
  }
  m.mid_block = make_middle(init, c);
  m.conv_norm_out = make_group_norm(init, widths.back(), c.norm_num_groups, kEps);
  m.conv_out = make_conv(init, {widths.back(), 2 * c.latent_channels, 3}, resnet_init());
  return m;
}

KlDecoder make_decoder(Initializer& init, const AutoencoderKlConfig& c) {
  const std::vector<int64_t> widths(c.block_out_channels.rbegin(), c.block_out_channels.rend());
  KlDecoder m{.conv_in = make_conv(init, {c.latent_channels, widths.front(), 3}, resnet_init()),
              .mid_block = make_middle(init, c)};
  for (size_t i = 0; i < widths.size(); ++i) {
    const int64_t in = widths[i == 0 ? 0 : i - 1];
    AutoencoderLevel level = make_level(init, c, in, widths[i], c.layers_per_block + 1);
    if (i + 1 < widths.size()) level.upsampler = make_conv(init, {widths[i], widths[i], 3}, resnet_init());
    m.up_blocks.emplace_back(std::to_string(i), std::move(level));
  }
  m.conv_norm_out = make_group_norm(init, widths.back(), c.norm_num_groups, kEps);
  m.conv_out = make_conv(init, {widths.back(), c.out_channels, 3}, resnet_init());
  return m;
}

/// A convolution with stride 2 whose border of one zero is on the right and at the bottom alone.
at::Tensor halved(const Conv2d& m, const at::Tensor& x) {
  return at::conv2d(at::constant_pad_nd(x, {0, 1, 0, 1}), m.weight, m.bias, {2, 2});
}

at::Tensor doubled(const Conv2d& m, const at::Tensor& x) {
  return forward(m, at::upsample_nearest2d(x, at::IntArrayRef{2 * x.size(2), 2 * x.size(3)}));
}

at::Tensor forward(const AutoencoderLevel& m, at::Tensor x) {
  for (const auto& [name, block] : m.resnets) x = forward(block, x);
  if (m.downsampler) return halved(*m.downsampler, x);
  return m.upsampler ? doubled(*m.upsampler, x) : x;
}

at::Tensor forward(const AutoencoderMiddle& m, const at::Tensor& x) {
  const at::Tensor h = forward(m.first, x);
  return forward(m.second, m.attention ? forward(*m.attention, h) : h);
}

/// Leaves `pixels` as they are behind the level.
PassCost level_cost(const AutoencoderLevel& m, int64_t& pixels) {
  PassCost cost;
  for (const auto& [name, block] : m.resnets) cost += layer_cost(block, pixels);
  if (m.downsampler) cost += layer_cost(*m.downsampler, pixels /= 4);
  if (m.upsampler) cost += layer_cost(*m.upsampler, pixels *= 4);
  return cost;
}

PassCost middle_cost(const AutoencoderMiddle& m, int64_t pixels) {
  PassCost cost = layer_cost(m.first, pixels);
  if (m.attention) cost += layer_cost(*m.attention, pixels);
  cost += layer_cost(m.second, pixels);
  return cost;
}

}  // namespace

std::string AutoencoderKlConfig::problem() const {
  if (block_out_channels.empty() || block_out_channels.size() > kMostLevels)
    return c10::str("block_out_channels must have 1 to ", kMostLevels, " entries, got ",
                    block_out_channels.size());
  for (const int64_t channels : block_out_channels) {
    if (channels % norm_num_groups != 0)
      return c10::str("block_out_channels: ", channels, " can't be split into ", norm_num_groups,
                      " groups (norm_num_groups)");
  }
  return "";
}

int64_t halvings(const AutoencoderKlConfig& config) {
  return std::ssize(config.block_out_channels) - 1;
}

AutoencoderKl make_network(const AutoencoderKlConfig& c, uint64_t seed, at::Device device) {
  TORCH_CHECK(c.problem().empty(), "make_network: ", c.problem());
  Initializer init{.seed = seed, .device = device};
  AutoencoderKl m{.config = c, .encoder = make_encoder(init, c), .decoder = make_decoder(init, c)};
  const int64_t z = c.latent_channels;
  if (c.use_quant_conv) m.quant_conv = make_conv(init, {2 * z, 2 * z, 1}, resnet_init());
  if (c.use_post_quant_conv) m.post_quant_conv = make_conv(init, {z, z, 1}, resnet_init());
  return m;
}

KlMoments moments(const AutoencoderKl& m, const at::Tensor& images) {
  const KlEncoder& encoder = m.encoder;
  at::Tensor h = forward(encoder.conv_in, channels_last(images));
  for (const auto& [name, level] : encoder.down_blocks) h = forward(level, h);
  h = norm_silu(encoder.conv_norm_out, forward(encoder.mid_block, h));
  h = forward_wide(encoder.conv_out, h);
  if (m.quant_conv) h = forward_wide(*m.quant_conv, h);
  const auto parts = h.to(images.scalar_type()).chunk(2, 1);
  return {.mean = parts[0], .logvar = at::clamp(parts[1], kLeastLogvar, kMostLogvar)};
}

at::Tensor decode(const AutoencoderKl& m, const at::Tensor& z) {
  const KlDecoder& decoder = m.decoder;
  at::Tensor h = channels_last(z);
  if (m.post_quant_conv) h = forward_wide(*m.post_quant_conv, h);
  h = forward(decoder.mid_block, forward(decoder.conv_in, h));
  for (const auto& [name, level] : decoder.up_blocks) h = forward(level, h);
  return forward_wide(decoder.conv_out, norm_silu(decoder.conv_norm_out, h)).to(z.scalar_type());
}

PassCost encode_cost(const AutoencoderKl& m, int64_t pixels) {
  PassCost cost = layer_cost(m.encoder.conv_in, pixels);
  for (const auto& [name, level] : m.encoder.down_blocks) cost += level_cost(level, pixels);
  cost += middle_cost(m.encoder.mid_block, pixels);
  cost += layer_cost(m.encoder.conv_out, pixels);
  if (m.quant_conv) cost += layer_cost(*m.quant_conv, pixels);
  return cost;
}

PassCost decode_cost(const AutoencoderKl& m, int64_t pixels) {
  pixels >>= 2 * halvings(m.config);
  PassCost cost = layer_cost(m.decoder.conv_in, pixels);
  if (m.post_quant_conv) cost += layer_cost(*m.post_quant_conv, pixels);
  cost += middle_cost(m.decoder.mid_block, pixels);
  for (const auto& [name, level] : m.decoder.up_blocks) cost += level_cost(level, pixels);
  cost += layer_cost(m.decoder.conv_out, pixels);
  return cost;
}

}  // namespace onestep
