// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/state.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "networks/model_metadata.h"
#include "samplers/integrate.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

/// A list that the file may hold; empty where it does not.
template <class T>
std::vector<T> list(const io::TensorFile& file, const std::filesystem::path& path, const char* name,
                    at::ScalarType dtype) {
  if (!file.has(name)) return {};
  const at::Tensor& tensor = file.at(name);
  if (tensor.dim() != 1 || tensor.scalar_type() != dtype)
    throw io::FileError(path, std::string("tensor '") + name + "' must be a list of " +
                                  (dtype == at::kLong ? "int64" : "float64"));
  return {tensor.const_data_ptr<T>(), tensor.const_data_ptr<T>() + tensor.numel()};
}

/// From the settings that onestep-sample writes into the metadata of its files.
std::optional<FirstHalf> first_half_of(const io::TensorFile& file) {
  const auto text = file.metadata.find("onestep");
  if (text == file.metadata.end()) return std::nullopt;
  const auto refuse = [&] {
    throw io::FileError(file.path, "metadata 'onestep' is not what --stop-after writes");
  };
  const auto settings = nlohmann::json::parse(text->second, nullptr, /*allow_exceptions=*/false);
  const auto text_at = [&](const nlohmann::json& map, const char* key) {
    const auto found = map.is_object() ? map.find(key) : map.end();
    if (!map.is_object() || found == map.end() || !found->is_string()) refuse();
    return found->get<std::string>();
  };
  if (!settings.is_object() || !settings.contains("model") || !settings.contains("sampler")) refuse();
  FirstHalf first{
      .model_sha256 = text_at(settings.at("model"), "sha256"),
      .sampler = read_metadata<SamplerConfig>(file.path, "onestep: sampler", settings.at("sampler").dump()),
      .precision = text_at(settings, "precision")};
  if (settings.contains("guide")) {
    first.guide = text_at(settings.at("guide"), "path");
    first.guide_sha256 = text_at(settings.at("guide"), "sha256");
  }
  return first;
}

}  // namespace

void require_shape(const State& state, const std::filesystem::path& path, const ImageShape& shape) {
  const std::vector<int64_t> image{shape.channels, shape.height, shape.width};
  if (state.latents.sizes().slice(1) != at::IntArrayRef(image)) {
    throw io::FileError(path, c10::str("tensor 'latents' has shape ", state.latents.sizes(),
                                       ", the model needs [N, ", c10::Join(", ", image), "]"));
  }
}

State read_state(const std::filesystem::path& path) {
  const io::TensorFile file = io::read_safetensors(path);
  State state{.latents = file.at("latents")};
  if (state.latents.dim() != 4 || state.latents.size(0) == 0)
    throw io::FileError(
        path, c10::str("tensor 'latents' has shape ", state.latents.sizes(), ", images have [N, C, H, W]"));
  if (!at::isFloatingType(state.latents.scalar_type()) || !at::isfinite(state.latents).all().item<bool>())
    throw io::FileError(path, "tensor 'latents' must hold finite floating-point numbers");

  const int64_t count = state.latents.size(0);
  state.seeds = list<int64_t>(file, path, "seeds", at::kLong);
  if (state.seeds.empty()) state.seeds = consecutive_seeds(0, count);
  state.classes = list<int64_t>(file, path, "classes", at::kLong);
  state.sigmas = list<double>(file, path, "sigmas", at::kDouble);
  const auto fits = [&](const auto& values) { return static_cast<int64_t>(values.size()) == count; };
  if (!fits(state.seeds) || !(state.classes.empty() || fits(state.classes)))
    throw io::FileError(path, c10::str("needs one seed and class for each of its ", count, " latents"));
  for (const int64_t seed : state.seeds)
    if (seed < 0) throw io::FileError(path, "tensor 'seeds' holds a negative number");
  if (const auto twice = repeated_seed(state.seeds))
    throw io::FileError(path, c10::str("tensor 'seeds' names ", *twice, " twice"));
  if (!state.sigmas.empty())
    if (const std::string problem = grid_problem(state.sigmas); !problem.empty())
      throw io::FileError(path, "tensor 'sigmas': " + problem);
  const std::vector<int64_t> done = list<int64_t>(file, path, "steps_done", at::kLong);
  if (done.size() > 1 || (done.size() == 1 && (done[0] < 0 || done[0] > 1'000'000)))
    throw io::FileError(path, "tensor 'steps_done' must hold one number of steps");
  if (!done.empty()) state.steps_done = done[0];
  if (!state.sigmas.empty()) state.first_half = first_half_of(file);
  return state;
}

void require_same_files(const FirstHalf& first, const std::filesystem::path& file,
                        const std::filesystem::path& model, const std::filesystem::path& guide) {
  const auto require = [&](const std::string& what, const std::filesystem::path& path,
                           const std::string& then) {
    const std::string now = path.empty() ? "none" : io::sha256_of_file(path).substr(0, 12);
    if (now != (then.empty() ? "none" : then.substr(0, 12)))
      throw config::ConfigError("--latents: '" + file.string() + "' is of a run with another " + what +
                                " (sha256 " + (then.empty() ? "none" : then.substr(0, 12)) + " then, " + now +
                                " now)");
  };
  require("model", model, first.model_sha256);
  require("guide", guide, first.guide_sha256);
}

void write_state(const std::filesystem::path& path, const SampleRequest& request, const SampleResult& result,
                 const std::vector<double>& sigmas, const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, at::Tensor>> tensors{
      {"latents", result.samples},
      {"seeds", at::tensor(request.seeds, at::kLong)},
      {"sigmas", at::tensor(std::vector(sigmas.begin() + request.stop_after, sigmas.end()), at::kDouble)},
      {"steps_done", at::tensor(std::vector{request.steps_done + request.stop_after}, at::kLong)}};
  if (!result.classes.empty()) tensors.emplace_back("classes", at::tensor(result.classes, at::kLong));
  io::write_safetensors(path, tensors, metadata);
}

}  // namespace onestep
