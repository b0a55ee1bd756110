// SPDX-License-Identifier: Apache-2.0
#include "networks/denoiser.h"

#include <ATen/TensorOperators.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "networks/guidance.h"
#include "networks/model_metadata.h"
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

/// The part that all uses of a trained network share: scale the input, run the encoder, remember how to
/// finish.
template <class Net>
struct Pass {
  const Denoiser& denoiser;
  const Net& network;
  const at::Tensor& x;
  Preconditioning at_sigma;
  decltype(encode(std::declval<Net>(), {}, {})) encoded;

  Pass(const Denoiser& d, const Net& net, const at::Tensor& image, const at::Tensor& sigma,
       const DenoiserInputs& inputs)
      : denoiser(d),
        network(net),
        x(image),
        at_sigma(edm_preconditioning(sigma.expand({image.size(0)}), d.config.preconditioning.sigma_data)) {
    const at::Tensor scaled = x * at_sigma.c_in;
    encoded = encode(network, patches() ? space_to_depth(scaled) : scaled,
                     {at_sigma.c_noise, {inputs.labels}, inputs.augment_labels, inputs.masks});
  }

  bool patches() const { return denoiser.config.preconditioning.space_to_depth; }

  at::Tensor finish(DropoutStream* masks) const {
    const at::Tensor raw = decode(network, encoded, masks);
    return at_sigma.c_skip * x + at_sigma.c_out * (patches() ? depth_to_space(raw) : raw);
  }
};

/// Reading a NetworkConfig through a struct gives its variant the `kind` syntax of every other config.
struct NetworkMetadata {
  NetworkConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the raw network");
  }
};

}  // namespace

double dropout_rate(const NetworkConfig& config) {
  const auto* unet = std::get_if<SongUNetConfig>(&config);
  return unet != nullptr ? unet->dropout : 0;
}

double label_dropout_rate(const NetworkConfig& config) {
  return std::visit(Overloaded{[](const auto& c) { return c.label_dropout; },
                               [](const GaussianMixtureConfig&) { return 0.0; }},
                    config);
}

std::string DenoiserConfig::problem() const {
  if (!preconditioning.space_to_depth) return "";
  const auto* unet = std::get_if<SongUNetConfig>(&network);
  if (unet == nullptr) return "space_to_depth is for images: the network must be a song_unet";
  if (unet->img_channels % 4 == 0) return "";
  return "space_to_depth needs img_channels divisible by 4, got " + std::to_string(unet->img_channels);
}

void set_recompute(Denoiser& denoiser, const std::string& recompute) {
  auto* network = std::get_if<SongUNet>(&denoiser.network);
  TORCH_CHECK(network != nullptr || recompute == "none", "only a song_unet recomputes");
  if (network == nullptr) return;
  network->config.recompute = recompute;
  std::get<SongUNetConfig>(denoiser.config.network).recompute = recompute;
}

ImageShape image_shape(const Denoiser& denoiser) {
  return std::visit(Overloaded{[&](const SongUNet& unet) {
                                 const SongUNetConfig& c = unet.config;
                                 return denoiser.config.preconditioning.space_to_depth
                                            ? ImageShape{c.img_channels / 4, 2 * c.img_resolution,
                                                         2 * c.img_resolution}
                                            : ImageShape{c.img_channels, c.img_resolution, c.img_resolution};
                               },
                               [](const Mlp& mlp) {
                                 return ImageShape{mlp.config.dim, 1, 1};
                               },
                               [](const GaussianMixture& m) {
                                 return ImageShape{m.means.size(1), m.means.size(2), m.means.size(3)};
                               }},
                    denoiser.network);
}

int64_t label_dim(const Denoiser& denoiser) {
  return std::visit(Overloaded{[](const auto& network) { return network.config.label_dim; },
                               [](const GaussianMixture&) { return int64_t{0}; }},
                    denoiser.network);
}

int64_t augment_dim(const Denoiser& denoiser) {
  const auto* unet = std::get_if<SongUNet>(&denoiser.network);
  return unet == nullptr ? 0 : unet->config.augment_dim;
}

at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const DenoiserInputs& inputs) {
  return std::visit(Overloaded{[&](const auto& network) {
                                 return Pass(denoiser, network, x, sigma, inputs).finish(inputs.masks);
                               },
                               [&](const GaussianMixture& mixture) { return denoise(mixture, x, sigma); }},
                    denoiser.network);
}

at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const at::Tensor& labels) {
  return denoise(denoiser, x, sigma, DenoiserInputs{.labels = labels});
}

std::vector<int64_t> encoder_resolutions(const Denoiser& denoiser) {
  return std::visit(Overloaded{[](const auto& network) { return encoder_resolutions(network.config); },
                               [](const GaussianMixture&) { return std::vector<int64_t>(); }},
                    denoiser.network);
}

int64_t feature_channels(const Denoiser& denoiser, int64_t resolution) {
  return std::visit(
      Overloaded{[&](const auto& network) { return feature_channels(network.config, resolution); },
                 [](const GaussianMixture&) -> int64_t {
                   TORCH_CHECK(false, "feature_channels: a gaussian_mixture has no encoder features");
                 }},
      denoiser.network);
}

DenoiserOutput forward(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels, const std::vector<int64_t>& resolutions, bool decoded) {
  return forward(denoiser, x, sigma, DenoiserInputs{.labels = labels}, resolutions, decoded);
}

DenoiserOutput forward(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                       const DenoiserInputs& inputs, const std::vector<int64_t>& resolutions, bool decoded) {
  return std::visit(
      Overloaded{[&](const auto& network) -> DenoiserOutput {
                   const Pass pass(denoiser, network, x, sigma, inputs);
                   return {.denoised = decoded ? pass.finish(inputs.masks) : at::Tensor(),
                           .features = encoder_features(pass.encoded, resolutions)};
                 },
                 [&](const GaussianMixture& mixture) -> DenoiserOutput {
                   TORCH_CHECK(resolutions.empty(), "forward: a gaussian_mixture has no encoder features");
                   return {.denoised = decoded ? denoise(mixture, x, sigma) : at::Tensor(), .features = {}};
                 }},
      denoiser.network);
}

Denoiser make_denoiser(const DenoiserConfig& config, uint64_t seed, at::Device device) {
  TORCH_CHECK(config.problem().empty(), "make_denoiser: ", config.problem());
  return {.config = config,
          .network = std::visit(
              Overloaded{[&](const SongUNetConfig& c) -> Network { return make_song_unet(c, seed, device); },
                         [&](const MlpConfig& c) -> Network { return make_mlp(c, seed, device); },
                         [](const GaussianMixtureConfig&) -> Network {
                           TORCH_CHECK(false, "make_denoiser: a gaussian_mixture is made of its tensors");
                         }},
              config.network)};
}

Denoiser exact_denoiser(const at::Tensor& weights, const at::Tensor& means, const at::Tensor& stds) {
  return {.config = {.network = GaussianMixtureConfig{}},
          .network = make_gaussian_mixture(weights, means, stds)};
}

Denoiser load_denoiser(const std::filesystem::path& path, at::Device device, at::ScalarType dtype) {
  return denoiser_of(io::read_safetensors(path), device, dtype);
}

Denoiser denoiser_of(const io::TensorFile& file, at::Device device, at::ScalarType dtype) {
  const std::filesystem::path& path = file.path;
  if (!file.metadata.contains(kNetworkKey)) {
    throw io::FileError(path, std::string("not a model file: its metadata lacks '") + kNetworkKey + "'");
  }
  DenoiserConfig config;
  config.network = read_metadata<NetworkMetadata>(path, kNetworkKey,
                                                  "{\"network\": " + file.metadata.at(kNetworkKey) + "}")
                       .network;
  if (file.metadata.contains(kPreconditioningKey)) {
    config.preconditioning = read_metadata<PreconditioningConfig>(path, kPreconditioningKey,
                                                                  file.metadata.at(kPreconditioningKey));
  }
  if (const std::string problem = config.problem(); !problem.empty()) throw io::FileError(path, problem);
  if (std::holds_alternative<GaussianMixtureConfig>(config.network)) {
    return clone(Denoiser{.config = config, .network = read_gaussian_mixture(file)}, device, dtype);
  }
  return with_tensors_of(file, make_denoiser(config, 0, at::kMeta), device, dtype);
}

io::TensorFile model_file(const Denoiser& denoiser, std::map<std::string, std::string> metadata) {
  metadata[kNetworkKey] = config::to_json(NetworkMetadata{denoiser.config.network}).at("network").dump();
  metadata[kPreconditioningKey] = config::to_json(denoiser.config.preconditioning).dump();
  return {.tensors = named_tensors(denoiser), .metadata = std::move(metadata), .path = {}};
}

void save_denoiser(const std::filesystem::path& path, const Denoiser& denoiser,
                   std::map<std::string, std::string> metadata) {
  const io::TensorFile file = model_file(denoiser, std::move(metadata));
  io::write_safetensors(path, file.tensors, file.metadata);
}

}  // namespace onestep
