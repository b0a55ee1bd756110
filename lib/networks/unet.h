// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "networks/network.h"
#include "networks/unet_block.h"

/// What the U-Nets of the EDM family have in common: encoder and decoder, under the official names. They
/// differ in the style of their blocks and in how the embedding is made.
namespace onestep {

/// How the image enters every resolution of the encoder beside the feature maps, halved as often, and how the
/// output is read off every resolution of the decoder and summed (Karras et al. 2020, figure 7).
enum class ImagePath { none, skip, residual };

struct UNetShape {
  int64_t resolution;             ///< height and width of the images
  int64_t in, out;                ///< channels of images and output
  int64_t stem;                   ///< channels of the first convolution
  std::vector<int64_t> channels;  ///< of each resolution, finest first
  int64_t num_blocks;             ///< of a resolution of the encoder; the decoder has one more
  std::vector<int64_t> attn_resolutions;
  bool attends_while_decoding;          ///< in every block of those resolutions, or in the last one alone
  ImagePath encoder = ImagePath::none;  ///< none, skip or residual
  ImagePath decoder = ImagePath::none;  ///< none or skip
  std::string readout;                  ///< name of the last layers, without "_norm" and "_conv"
  UNetBlockStyle style;
};

/// "32x32", as the names of layers and taps have it.
std::string resolution_name(int64_t resolution);

/// The encoder at one resolution. Auxiliary layers bring the image:
///   skip: aux = aux_down(aux), x = x + aux_skip(aux);   residual: x = aux = √½ (x + aux_residual(aux)).
struct EncoderLevel {
  int64_t resolution;
  std::optional<Conv2d> conv;     ///< of the finest level
  std::optional<UNetBlock> down;  ///< of every other
  std::optional<Conv2d> aux_down, aux_skip, aux_residual;
  std::vector<UNetBlock> blocks;

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    const std::string level = "enc." + resolution_name(m.resolution) + "_";
    visit(level + "conv", m.conv);
    visit(level + "down", m.down);
    visit(level + "aux_down", m.aux_down);
    visit(level + "aux_skip", m.aux_skip);
    visit(level + "aux_residual", m.aux_residual);
    for (size_t i = 0; i < m.blocks.size(); ++i) visit(level + "block" + std::to_string(i), m.blocks[i]);
  }
};

/// From feature maps to an image: conv(silu(norm(x))).
struct Readout {
  std::string name;
  GroupNorm norm;
  Conv2d conv;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit(m.name + "_norm", m.norm);
    visit(m.name + "_conv", m.conv);
  }
};

/// The decoder at one resolution. Each of `blocks` takes in an output of the encoder, the last one first.
struct DecoderLevel {
  int64_t resolution;
  std::optional<UNetBlock> in0, in1;  ///< of the coarsest level
  std::optional<UNetBlock> up;        ///< of every other
  std::vector<UNetBlock> blocks;
  std::optional<Conv2d> aux_up;    ///< the image of the coarser levels
  std::optional<Readout> readout;  ///< of the finest level, and with ImagePath::skip of every one

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    const std::string level = "dec." + resolution_name(m.resolution) + "_";
    visit(level + "in0", m.in0);
    visit(level + "in1", m.in1);
    visit(level + "up", m.up);
    for (size_t i = 0; i < m.blocks.size(); ++i) visit(level + "block" + std::to_string(i), m.blocks[i]);
    visit(level + "aux_up", m.aux_up);
    if (m.readout) Readout::parameters(*m.readout, visit);
  }
};

struct UNet {
  std::vector<EncoderLevel> encoder;  ///< finest first
  std::vector<DecoderLevel> decoder;  ///< coarsest first

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    for (auto& level : m.encoder) EncoderLevel::parameters(level, visit);
    for (auto& level : m.decoder) DecoderLevel::parameters(level, visit);
  }
};
UNet make_unet(Initializer& init, const UNetShape& shape);

/// Why there is no such U-Net, or nothing.
std::string problem_of(const UNetShape& shape);

/// One a resolution, finest first, named "32x32": the deepest output of the encoder there.
std::vector<FeatureTap> feature_taps(const UNetShape& shape);

/// What all blocks are told.
struct UNetContext {
  at::Tensor embedding;  ///< [N, E]
  DropoutStream* masks = nullptr;
  bool recompute = false;  ///< the inside of blocks in the backward pass, see forward_recomputed
};

/// x [N, in, R, R] → output [N, out, R, R], and features at `taps`, of this network's. Without `output` it
/// ends at the coarsest tap.
NetworkOutput forward(const UNet& m, const at::Tensor& x, const UNetContext& context,
                      const std::vector<FeatureTap>& taps, bool output);

PassCost pass_cost(const UNet& m, bool recompute);

}  // namespace onestep
