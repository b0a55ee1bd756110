// SPDX-License-Identifier: Apache-2.0
#include "networks/classifier.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/silu.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "networks/model_metadata.h"

namespace onestep {
namespace {

constexpr const char* kClassifierKey = "onestep.classifier";

}  // namespace

std::string ClassifierConfig::problem() const {
  if (channels.empty()) return "channels needs at least one stage";
  if (channels.size() > 12 || img_resolution >> channels.size() == 0) {
    return "img_resolution is too small to be halved by every stage";
  }
  return "";
}

Classifier make_classifier(const ClassifierConfig& c, uint64_t seed, at::Device device) {
  Initializer init{.seed = seed, .device = device};
  Classifier m{.config = c};
  int64_t in = c.img_channels;
  int64_t resolution = c.img_resolution;
  for (const int64_t out : c.channels) {
    const std::string key = std::to_string(m.convs.size());
    m.convs.emplace_back(key, make_conv(init, {in, out, 3}));
    m.norms.emplace_back(key, make_group_norm(init, out));
    in = out;
    resolution /= 2;
  }
  m.feature = make_linear(init, in * resolution * resolution, c.feature_dim);
  m.logit = make_linear(init, c.feature_dim, c.label_dim);
  m.feature_scale = init.constant({1}, 1);
  return m;
}

Classified classify(const Classifier& m, const at::Tensor& images) {
  at::Tensor x = images;
  for (size_t i = 0; i < m.convs.size(); ++i) {
    x = at::silu(forward(m.norms[i].second, forward(m.convs[i].second, x)));
    x = at::max_pool2d(x, {2, 2});
  }
  const at::Tensor features = at::silu(forward(m.feature, x.flatten(1)));
  return {.features = features * m.feature_scale, .logits = forward_wide(m.logit, features)};
}

Classifier load_classifier(const std::filesystem::path& path, at::Device device) {
  const io::TensorFile file = io::read_safetensors(path);
  if (!file.metadata.contains(kClassifierKey)) {
    throw io::FileError(path, std::string("not a classifier: its metadata lacks '") + kClassifierKey + "'");
  }
  const ClassifierConfig config =
      read_metadata<ClassifierConfig>(path, kClassifierKey, file.metadata.at(kClassifierKey));
  return with_tensors_of(file, make_classifier(config, 0, at::kMeta), device);
}

io::TensorFile model_file(const Classifier& m, std::map<std::string, std::string> metadata) {
  metadata[kClassifierKey] = config::to_json(m.config).dump();
  return {.tensors = named_tensors(m), .metadata = std::move(metadata), .path = {}};
}

void save_classifier(const std::filesystem::path& path, const Classifier& m,
                     std::map<std::string, std::string> metadata) {
  const io::TensorFile file = model_file(m, std::move(metadata));
  io::write_safetensors(path, file.tensors, file.metadata);
}

}  // namespace onestep
