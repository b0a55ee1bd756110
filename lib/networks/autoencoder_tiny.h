// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/check.h"
#include "networks/latent_scaling.h"
#include "networks/layers.h"
#include "networks/network.h"

namespace onestep {

/// The tiny autoencoder of Stable Diffusion's latents (TAESD, Boer Bohan): diffusers' AutoencoderTiny, under
/// its tensors' names. It was distilled from scaled latents, and so its own scaling is none.
struct AutoencoderTinyConfig {
  static constexpr const char* kind = "tiny";
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  int64_t channels = 64;
  std::vector<int64_t> num_encoder_blocks = {1, 3, 3, 3};
  std::vector<int64_t> num_decoder_blocks = {3, 3, 3, 1};
  LatentScaling scaling = {};

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("in_channels", c.in_channels, "channels of the images", config::between(1, 1024));
    visit("out_channels", c.out_channels, "channels of the decoded images", config::between(1, 1024));
    visit("latent_channels", c.latent_channels, "channels of the latents", config::between(1, 1024));
    visit("channels", c.channels, "channels inside", config::between(1, 8192));
    visit("num_encoder_blocks", c.num_encoder_blocks,
          "residual blocks at each resolution, from the images' on; each is half the one before it",
          config::between(1, 64));
    visit("num_decoder_blocks", c.num_decoder_blocks,
          "residual blocks at each resolution, from the latents' on", config::between(1, 64));
    LatentScaling::fields(c.scaling, visit);
  }
  std::string problem() const;
};

/// relu(x + conv4(relu(conv2(relu(conv0(x)))))).
struct TinyBlock {
  Conv2d conv0, conv2, conv4;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("conv.0", m.conv0);
    visit("conv.2", m.conv2);
    visit("conv.4", m.conv4);
  }
};

/// Layers in their order, each named by its number there; those without tensors count, too.
struct TinyLayers {
  struct Halving {  ///< a convolution with stride 2
    Conv2d conv;
    template <class Self, class Visit>
    static void parameters(Self& m, Visit&& visit) {
      Conv2d::parameters(m.conv, visit);
    }
  };
  struct Relu {
    template <class Self, class Visit>
    static void parameters(Self&, Visit&&) {}
  };
  struct Doubling {  ///< nearest neighbours
    template <class Self, class Visit>
    static void parameters(Self&, Visit&&) {}
  };
  using Layer = std::variant<Conv2d, TinyBlock, Halving, Relu, Doubling>;
  std::vector<std::pair<std::string, Layer>> layers;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("layers", m.layers);
  }
};

struct AutoencoderTiny {
  using Config = AutoencoderTinyConfig;
  AutoencoderTinyConfig config;
  TinyLayers encoder, decoder;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("encoder", m.encoder);
    visit("decoder", m.decoder);
  }
};

/// How often the encoder halves an image.
int64_t halvings(const AutoencoderTinyConfig& config);

/// Weights drawn from `seed`, float32, on the CPU; shapes alone on at::kMeta. Throws c10::Error for a
/// configuration with a problem.
AutoencoderTiny make_network(const AutoencoderTinyConfig& config, uint64_t seed,
                             at::Device device = at::kCPU);

/// z = layers((x + 1)/2) of images x [N, C, H, W] in [−1, 1], H and W multiples of 2^halvings, and images
/// 2 layers(3 tanh(z/3)) − 1 of latents [N, Z, h, w]. Results have the dtype of what is given; gradients flow
/// through it and the weights.
at::Tensor encode(const AutoencoderTiny& m, const at::Tensor& images);
at::Tensor decode(const AutoencoderTiny& m, const at::Tensor& z);

/// Of an image of `pixels` = H W.
PassCost encode_cost(const AutoencoderTiny& m, int64_t pixels);
PassCost decode_cost(const AutoencoderTiny& m, int64_t pixels);

}  // namespace onestep
