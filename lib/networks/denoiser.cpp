// SPDX-License-Identifier: Apache-2.0
#include "networks/denoiser.h"

#include <ATen/TensorOperators.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "networks/model_metadata.h"
#include "networks/space_to_depth.h"

namespace onestep {
namespace {

constexpr const char* kNetworkKey = "onestep.network";
constexpr const char* kPreconditioningKey = "onestep.preconditioning";

/// Reading a NetworkConfig through a struct gives its variant the `kind` syntax of every other config.
struct NetworkMetadata {
  NetworkConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the raw network");
  }
};

/// Whether the file's metadata says that its data's density is known.
bool is_mixture(const std::string& network) {
  const auto json = nlohmann::json::parse(network, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.value("kind", nlohmann::json()) == GaussianMixture::kind;
}

DenoiserConfig config_of(const PreconditionedNetwork& m) {
  return {.preconditioning = m.preconditioning.config, .network = config_of(m.network)};
}

ImageShape image_shape(const DenoiserConfig& config) {
  const ImageShape s = image_shape(config.network);
  return config.preconditioning.space_to_depth ? ImageShape{s.channels / 4, 2 * s.height, 2 * s.width} : s;
}

DenoiserOutput forward(const PreconditionedNetwork& m, const at::Tensor& x, const at::Tensor& sigma,
                       const DenoiserInputs& inputs, const Wanted& wanted) {
  const bool patches = m.preconditioning.config.space_to_depth;
  const Coefficients c = coefficients(m.preconditioning, sigma.expand({x.size(0)}));
  const at::Tensor scaled = x * c.c_in;
  NetworkOutput seen = forward(m.network, patches ? space_to_depth(scaled) : scaled,
                               {.noise_labels = c.c_noise,
                                .condition = inputs.condition,
                                .augment_labels = inputs.augment_labels,
                                .masks = inputs.masks},
                               wanted);
  DenoiserOutput out{.denoised = {}, .features = std::move(seen.features)};
  if (wanted.output) {
    const at::Tensor prediction =
        (patches ? depth_to_space(seen.output) : seen.output).narrow(1, 0, x.size(1));
    out.denoised = c.c_skip * x + c.c_out * prediction;
  }
  return out;
}

DenoiserOutput forward(const GaussianMixture& mixture, const at::Tensor& x, const at::Tensor& sigma,
                       const DenoiserInputs&, const Wanted& wanted) {
  TORCH_CHECK(wanted.taps.empty(), "forward: a gaussian_mixture has no features");
  return {.denoised = wanted.output ? denoise(mixture, x, sigma) : at::Tensor(), .features = {}};
}

}  // namespace

std::string DenoiserConfig::problem() const {
  for (const std::string& problem : {preconditioning.problem(), problem_of(network)})
    if (!problem.empty()) return problem;
  if (!preconditioning.space_to_depth) return "";
  const ImageShape shape = image_shape(network);
  if (shape.height == 1) return "space_to_depth is for images, not for points";
  if (shape.channels % 4 == 0) return "";
  return "space_to_depth needs channels divisible by 4, got " + std::to_string(shape.channels);
}

const PreconditionedNetwork* network_of(const Denoiser& denoiser) {
  return std::get_if<PreconditionedNetwork>(&denoiser.form);
}

const GaussianMixture* mixture_of(const Denoiser& denoiser) {
  return std::get_if<GaussianMixture>(&denoiser.form);
}

ImageShape image_shape(const Denoiser& denoiser) {
  if (const auto* m = network_of(denoiser)) return image_shape(config_of(*m));
  const at::Tensor& means = mixture_of(denoiser)->means;
  return {means.size(1), means.size(2), means.size(3)};
}

int64_t label_dim(const Denoiser& denoiser) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? 0 : label_dim(config_of(m->network));
}

int64_t augment_dim(const Denoiser& denoiser) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? 0 : augment_dim(config_of(m->network));
}

SigmaRange valid_range(const Denoiser& denoiser) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? SigmaRange() : valid_range(m->preconditioning.config);
}

std::string trained_schedule(const Denoiser& denoiser) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? "" : trained_schedule(m->preconditioning.config);
}

std::vector<FeatureTap> feature_taps(const Denoiser& denoiser) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? std::vector<FeatureTap>() : feature_taps(config_of(m->network));
}

void set_recompute(Denoiser& denoiser, const std::string& recompute) {
  auto* m = std::get_if<PreconditionedNetwork>(&denoiser.form);
  TORCH_CHECK(m != nullptr || recompute == "none", "a gaussian_mixture has no blocks to recompute");
  if (m != nullptr) set_recompute(m->network, recompute);
}

PassCost pass_cost(const Denoiser& denoiser) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? PassCost() : pass_cost(m->network);
}

Condition null_condition(const Denoiser& denoiser, const Condition& c) {
  const auto* m = network_of(denoiser);
  return m == nullptr ? null_like(c) : null_condition(m->network, c);
}

at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const DenoiserInputs& inputs) {
  return forward(denoiser, x, sigma, inputs, Wanted()).denoised;
}

at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const Condition& condition) {
  return denoise(denoiser, x, sigma, DenoiserInputs{.condition = condition});
}

DenoiserOutput forward(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                       const DenoiserInputs& inputs, const Wanted& wanted) {
  return std::visit([&](const auto& form) { return forward(form, x, sigma, inputs, wanted); }, denoiser.form);
}

Denoiser make_denoiser(const DenoiserConfig& config, uint64_t seed, at::Device device) {
  const std::string problem = config.problem();
  TORCH_CHECK(problem.empty(), "make_denoiser: ", problem);
  return {PreconditionedNetwork{.preconditioning = make_preconditioning(config.preconditioning),
                                .network = make_network(config.network, seed, device)}};
}

Denoiser exact_denoiser(const at::Tensor& weights, const at::Tensor& means, const at::Tensor& stds) {
  return {make_gaussian_mixture(weights, means, stds)};
}

Denoiser load_denoiser(const std::filesystem::path& path, at::Device device, at::ScalarType dtype) {
  return denoiser_of(io::read_safetensors(path), device, dtype);
}

Denoiser denoiser_of(const io::TensorFile& file, at::Device device, at::ScalarType dtype) {
  const std::filesystem::path& path = file.path;
  if (!file.metadata.contains(kNetworkKey)) {
    throw io::FileError(path, std::string("not a model file: its metadata lacks '") + kNetworkKey + "'");
  }
  if (is_mixture(file.metadata.at(kNetworkKey)))
    return clone(Denoiser{read_gaussian_mixture(file)}, device, dtype);
  DenoiserConfig config;
  config.network = read_metadata<NetworkMetadata>(path, kNetworkKey,
                                                  "{\"network\": " + file.metadata.at(kNetworkKey) + "}")
                       .network;
  if (file.metadata.contains(kPreconditioningKey)) {
    config.preconditioning = read_metadata<PreconditioningConfig>(path, kPreconditioningKey,
                                                                  file.metadata.at(kPreconditioningKey));
  }
  if (const std::string problem = config.problem(); !problem.empty()) throw io::FileError(path, problem);
  const Denoiser shapes = make_denoiser(config, 0, at::kMeta);
  Denoiser denoiser = with_tensors_of(file, shapes, device, dtype);
  refuse_others(file, tensor_names(shapes));
  return denoiser;
}

io::TensorFile model_file(const Denoiser& denoiser, std::map<std::string, std::string> metadata) {
  if (const auto* m = network_of(denoiser)) {
    const DenoiserConfig config = config_of(*m);
    metadata[kNetworkKey] = config::to_json(NetworkMetadata{config.network}).at("network").dump();
    metadata[kPreconditioningKey] = config::to_json(config.preconditioning).dump();
  } else {
    metadata[kNetworkKey] = nlohmann::json{{"kind", GaussianMixture::kind}}.dump();
  }
  return {.tensors = named_tensors(denoiser), .metadata = std::move(metadata), .path = {}};
}

void save_denoiser(const std::filesystem::path& path, const Denoiser& denoiser,
                   std::map<std::string, std::string> metadata) {
  const io::TensorFile file = model_file(denoiser, std::move(metadata));
  io::write_safetensors(path, file.tensors, file.metadata);
}

}  // namespace onestep
