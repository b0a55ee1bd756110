// SPDX-License-Identifier: Apache-2.0
#include "networks/denoiser.h"

#include <ATen/TensorOperators.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "networks/space_to_depth.h"
#include "noise/preconditioning.h"

namespace onestep {
namespace {

constexpr const char* kNetworkKey = "onestep.network";
constexpr const char* kPreconditioningKey = "onestep.preconditioning";

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

const SongUNet& unet_of(const Denoiser& denoiser) {
  const auto* unet = std::get_if<SongUNet>(&denoiser.network);
  TORCH_CHECK(unet != nullptr, "perceive: only a song_unet has encoder features");
  return *unet;
}

/// The part that all uses of a UNet share: scale the input, run the encoder, remember how to finish.
struct UNetPass {
  const Denoiser& denoiser;
  const SongUNet& unet;
  const at::Tensor& x;
  Preconditioning at_sigma;
  Encoded encoded;

  UNetPass(const Denoiser& d, const SongUNet& net, const at::Tensor& image, const at::Tensor& sigma,
           const DenoiserInputs& inputs)
      : denoiser(d),
        unet(net),
        x(image),
        at_sigma(edm_preconditioning(sigma.expand({image.size(0)}), d.config.preconditioning.sigma_data)) {
    const at::Tensor scaled = x * at_sigma.c_in;
    encoded = encode(unet, patches() ? space_to_depth(scaled) : scaled,
                     {at_sigma.c_noise, inputs.labels, inputs.augment_labels, inputs.masks});
  }

  bool patches() const { return denoiser.config.preconditioning.space_to_depth; }

  at::Tensor finish(DropoutStream* masks) const {
    const at::Tensor raw = decode(unet, encoded, masks);
    return at_sigma.c_skip * x + at_sigma.c_out * (patches() ? depth_to_space(raw) : raw);
  }
};

template <class Config>
Config metadata_config(const io::TensorFile& file, const std::string& key) {
  return config::read<Config>(config::parse(file.metadata.at(key), file.path.string() + ": " + key));
}

/// Reading a NetworkConfig through a struct gives its variant the `kind` syntax of every other config.
struct NetworkMetadata {
  NetworkConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the raw network");
  }
};

}  // namespace

ImageShape image_shape(const Denoiser& denoiser) {
  return std::visit(Overloaded{[&](const SongUNet& unet) {
                                 const SongUNetConfig& c = unet.config;
                                 return denoiser.config.preconditioning.space_to_depth
                                            ? ImageShape{c.img_channels / 4, 2 * c.img_resolution,
                                                         2 * c.img_resolution}
                                            : ImageShape{c.img_channels, c.img_resolution, c.img_resolution};
                               },
                               [](const GaussianMixture& m) {
                                 return ImageShape{m.means.size(1), m.means.size(2), m.means.size(3)};
                               }},
                    denoiser.network);
}

int64_t label_dim(const Denoiser& denoiser) {
  const auto* unet = std::get_if<SongUNet>(&denoiser.network);
  return unet == nullptr ? 0 : unet->config.label_dim;
}

at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const DenoiserInputs& inputs) {
  return std::visit(Overloaded{[&](const SongUNet& unet) {
                                 return UNetPass(denoiser, unet, x, sigma, inputs).finish(inputs.masks);
                               },
                               [&](const GaussianMixture& mixture) { return denoise(mixture, x, sigma); }},
                    denoiser.network);
}

at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const at::Tensor& labels) {
  return denoise(denoiser, x, sigma, DenoiserInputs{.labels = labels});
}

Perceived perceive(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const at::Tensor& labels, const std::vector<int64_t>& resolutions, bool decoded) {
  const UNetPass pass(denoiser, unet_of(denoiser), x, sigma, {.labels = labels});
  return {.denoised = decoded ? pass.finish(nullptr) : at::Tensor(),
          .features = encoder_features(pass.encoded, resolutions)};
}

Denoiser make_denoiser(const DenoiserConfig& config, uint64_t seed) {
  const auto* unet = std::get_if<SongUNetConfig>(&config.network);
  TORCH_CHECK(unet != nullptr, "make_denoiser: a gaussian_mixture is read from a file, not trained");
  TORCH_CHECK(!config.preconditioning.space_to_depth || unet->img_channels % 4 == 0,
              "make_denoiser: space_to_depth needs img_channels divisible by 4, got ", unet->img_channels);
  return {.config = config, .network = make_song_unet(*unet, seed)};
}

Denoiser load_denoiser(const std::filesystem::path& path, at::Device device, at::ScalarType dtype) {
  const io::TensorFile file = io::read_safetensors(path);
  if (!file.metadata.contains(kNetworkKey)) {
    throw io::FileError(path, std::string("not a model file: its metadata lacks '") + kNetworkKey + "'");
  }
  DenoiserConfig config;
  config.network =
      config::read<NetworkMetadata>(config::parse("{\"network\": " + file.metadata.at(kNetworkKey) + "}",
                                                  path.string() + ": " + kNetworkKey))
          .network;
  if (file.metadata.contains(kPreconditioningKey)) {
    config.preconditioning = metadata_config<PreconditioningConfig>(file, kPreconditioningKey);
  }
  if (std::holds_alternative<GaussianMixtureConfig>(config.network)) {
    return clone(Denoiser{.config = config, .network = read_gaussian_mixture(file)}, device, dtype);
  }
  Denoiser denoiser = make_denoiser(config, 0);
  load_tensors(denoiser, file);
  return clone(denoiser, device, dtype);
}

void save_denoiser(const std::filesystem::path& path, const Denoiser& denoiser,
                   std::map<std::string, std::string> metadata) {
  metadata[kNetworkKey] = config::to_json(NetworkMetadata{denoiser.config.network}).at("network").dump();
  metadata[kPreconditioningKey] = config::to_json(denoiser.config.preconditioning).dump();
  io::write_safetensors(path, named_tensors(denoiser), metadata);
}

}  // namespace onestep
