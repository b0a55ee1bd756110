// SPDX-License-Identifier: Apache-2.0
#include "networks/dit.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <c10/util/StringUtil.h>

#include "networks/position_table.h"

namespace onestep {
namespace {

constexpr int64_t kSinusoids = 256;
constexpr int64_t kLargestSide = 256;  // of the grid of tokens: what attention costs is a number then
constexpr double kStd = 0.02;          // of the embedders' initial weights

int64_t grid_side(const DitConfig& c) {
  return c.input_size / c.patch_size;
}

int64_t mlp_width(const DitConfig& c) {
  return static_cast<int64_t>(static_cast<double>(c.hidden_size) * c.mlp_ratio);
}

int64_t out_channels(const DitConfig& c) {
  return c.learn_sigma ? 2 * c.in_channels : c.in_channels;
}

Linear make_normal_linear(Initializer& init, int64_t in, int64_t out) {
  return {.weight = init.normal({out, in}, kStd), .bias = init.constant({out}, 0)};
}

/// The block behind which each tap is, "block7" → 7.
std::vector<size_t> blocks_of(const DitConfig& config, const std::vector<std::string>& names) {
  std::vector<size_t> blocks;
  for (const FeatureTap& tap : taps_named(names, feature_taps(config)))
    blocks.push_back(std::stoull(tap.name.substr(std::string("block").size())));
  return blocks;
}

/// Tokens [N, T, D] as a map [N, D, h, w].
at::Tensor as_map(const at::Tensor& tokens, int64_t side) {
  return tokens.transpose(1, 2).unflatten(2, {side, side});
}

/// The last layer, and its patches [N, T, p·p·C'] put together as an image; channels are innermost.
at::Tensor decode(const Dit& m, const at::Tensor& tokens, const at::Tensor& condition) {
  const auto chunks = forward(m.final_modulation, condition).unsqueeze(1).chunk(2, -1);
  const at::Tensor patches =
      forward(m.final_linear, modulated_norm(tokens, chunks[0], chunks[1], m.config.norm_eps));
  const int64_t side = grid_side(m.config), p = m.config.patch_size, size = m.config.input_size;
  return patches.view({-1, side, side, p, p, out_channels(m.config)})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({-1, out_channels(m.config), size, size});
}

}  // namespace

std::string DitConfig::problem() const {
  if (input_size % patch_size != 0) {
    return c10::str("input_size ", input_size, " is no multiple of patch_size ", patch_size);
  }
  if (grid_side(*this) > kLargestSide) {
    return c10::str("input_size ", input_size, " in patches of ", patch_size, " makes more than ",
                    kLargestSide, " x ", kLargestSide, " tokens");
  }
  if (hidden_size % num_heads != 0) {
    return c10::str("hidden_size ", hidden_size, " can't be split among ", num_heads, " heads (num_heads)");
  }
  if (hidden_size % 4 != 0) {
    return c10::str("hidden_size must be a multiple of 4 for the table of positions, got ", hidden_size);
  }
  return "";
}

ImageShape image_shape(const DitConfig& config) {
  return {config.in_channels, config.input_size, config.input_size};
}

int64_t label_dim(const DitConfig& config) {
  return config.num_classes;
}

std::vector<FeatureTap> feature_taps(const DitConfig& config) {
  std::vector<FeatureTap> taps;
  for (int64_t i = 0; i < config.depth; ++i) {
    taps.push_back({c10::str("block", i), config.hidden_size, grid_side(config), grid_side(config)});
  }
  return taps;
}

Dit make_network(const DitConfig& c, uint64_t seed, at::Device device) {
  TORCH_CHECK(c.problem().empty(), "make_network: ", c.problem());
  Initializer init{.seed = seed, .device = device};
  const int64_t width = c.hidden_size, p = c.patch_size;
  Dit m{.config = c, .pos_embed = position_table(grid_side(c), width, device)};
  m.patches = {.weight = init.xavier_uniform({width, c.in_channels, p, p}, c.in_channels * p * p, width),
               .bias = init.constant({width}, 0)};
  m.time0 = make_normal_linear(init, kSinusoids, width);
  m.time2 = make_normal_linear(init, width, width);
  if (c.num_classes > 0) m.label_table = init.normal({c.num_classes + 1, width}, kStd);
  for (int64_t i = 0; i < c.depth; ++i) {
    m.blocks.emplace_back(std::to_string(i),
                          make_dit_block(init, {width, c.num_heads, mlp_width(c), c.norm_eps}));
  }
  m.final_modulation = make_linear(init, width, 2 * width, /*bias=*/true, /*scale=*/0);
  m.final_linear = make_linear(init, width, p * p * out_channels(c), /*bias=*/true, /*scale=*/0);
  return m;
}

at::Tensor embed_image(const Dit& m, const at::Tensor& x) {
  const DitConfig& c = m.config;
  TORCH_CHECK(
      x.dim() == 4 && x.sizes().slice(1) == at::IntArrayRef({c.in_channels, c.input_size, c.input_size}),
      "a dit for images ", c.in_channels, " x ", c.input_size, " x ", c.input_size, " was given ", x.sizes());
  const at::ScalarType type = m.patches.weight.scalar_type();
  const at::Tensor map =
      at::conv2d(x.to(type), m.patches.weight, m.patches.bias, {c.patch_size, c.patch_size});
  // In the order of tokens, not of maps, which every later sum and norm would keep and go through at a
  // seventh of the speed.
  return (map.flatten(2).transpose(1, 2).contiguous() + m.pos_embed).to(type);
}

at::Tensor embed_conditioning(const Dit& m, const Conditioning& c) {
  const auto dtype = m.time0.weight.scalar_type();
  // In double: noise levels up to 1000 times a frequency leave little of float32.
  const at::Tensor sinusoids =
      positional_embedding(c.noise_labels.to(at::kDouble), kSinusoids, m.config.freq_shift == 1).to(dtype);
  const at::Tensor time = forward(m.time2, at::silu(forward(m.time0, sinusoids)));
  if (!m.label_table.defined()) return time;
  if (!c.condition.classes.defined()) return time + m.label_table[m.config.num_classes];
  const at::Tensor classes = c.condition.classes.to(dtype);
  const at::Tensor none = 1 - classes.sum(1, /*keepdim=*/true);
  return time + at::matmul(at::cat({classes, none}, 1), m.label_table);
}

NetworkOutput forward(const Dit& m, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted) {
  const std::vector<size_t> tapped = blocks_of(m.config, wanted.taps);
  size_t last = 0;  // and how many blocks that takes
  for (const size_t block : tapped) last = std::max(last, block + 1);
  if (wanted.output) last = m.blocks.size();

  NetworkOutput result{.output = {}, .features = std::vector<at::Tensor>(tapped.size())};
  const bool recomputing = m.config.recompute == "blocks";
  const at::Tensor condition = at::silu(embed_conditioning(m, conditioning));
  at::Tensor tokens = embed_image(m, x);
  for (size_t i = 0; i < last; ++i) {
    const DitBlock& block = m.blocks[i].second;
    tokens = recomputing ? forward_recomputed(block, tokens, condition) : forward(block, tokens, condition);
    for (size_t tap = 0; tap < tapped.size(); ++tap) {
      if (tapped[tap] == i) result.features[tap] = as_map(tokens, grid_side(m.config));
    }
  }
  if (wanted.output) result.output = decode(m, tokens, condition);
  return result;
}

PassCost pass_cost(const Dit& m) {
  const DitConfig& c = m.config;
  const int64_t tokens = grid_side(c) * grid_side(c), width = c.hidden_size, hidden = mlp_width(c);
  const int64_t of_tokens = (4 * width + 2 * hidden) * width + 2 * tokens * width;
  const int64_t block = tokens * of_tokens + 6 * width * width;
  // A block keeps its input, that normed and modulated, q, k, v, what attention makes of them and adds; the
  // sum, that normed and modulated, both sides of gelu, and what the MLP adds.
  const int64_t kept = tokens * (12 * width + 2 * hidden) + 6 * width;
  const int64_t stream = tokens * width;
  const int64_t blocks = c.recompute == "blocks" ? c.depth * stream + kept : c.depth * kept;
  return {.macs = c.depth * block + tokens * (m.patches.weight.numel() + m.final_linear.weight.numel()) +
                  m.time0.weight.numel() + m.time2.weight.numel() + m.final_modulation.weight.numel(),
          .activations = blocks + 3 * stream};
}

static_assert(RawNetwork<Dit>);

}  // namespace onestep
