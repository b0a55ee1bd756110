// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <algorithm>
#include <filesystem>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "config/node.h"
#include "config/suggest.h"
#include "data/encoded.h"
#include "data/idx.h"
#include "io/file_error.h"
#include "io/folder.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

/// Names for classes that have none: "0", "1", …
std::vector<std::string> numbers(int64_t classes) {
  std::vector<std::string> names;
  for (int64_t k = 0; k < classes; ++k) names.push_back(std::to_string(k));
  return names;
}

/// The first `limit` images of a set; all of them where there is none.
void keep_first(Dataset& data, std::optional<int64_t> limit) {
  if (!limit || *limit >= data.images.size(0)) return;
  data.images = data.images.narrow(0, 0, *limit).clone();
  data.labels = data.labels.narrow(0, 0, *limit).clone();
}

/// Two idx files as a set: sizes agree, labels are classes, `limit` keeps the first images.
Dataset read_pair(const fs::path& images_path, const fs::path& labels_path,
                  std::vector<std::string> class_names, std::optional<int64_t> limit) {
  at::Tensor images = read_idx(images_path, 3).unsqueeze(1);
  at::Tensor labels = read_idx(labels_path, 1).to(at::kLong);
  const auto classes = static_cast<int64_t>(class_names.size());
  if (labels.size(0) != images.size(0)) {
    throw io::FileError(labels_path, "holds " + std::to_string(labels.size(0)) + " labels for the " +
                                         std::to_string(images.size(0)) + " images of " +
                                         images_path.string());
  }
  if (const auto highest = labels.max().item<int64_t>(); highest >= classes) {
    throw io::FileError(labels_path, "holds label " + std::to_string(highest) + " for image " +
                                         std::to_string(labels.argmax().item<int64_t>()) +
                                         ", counted from 0; there are only " + std::to_string(classes) +
                                         " classes");
  }
  Dataset data{
      .name = "", .images = images, .labels = labels, .class_names = std::move(class_names), .density = {}};
  keep_first(data, limit);
  return data;
}

/// An idx file of images as a set without classes.
Dataset read_unlabelled(const fs::path& path, std::optional<int64_t> limit) {
  const at::Tensor images = read_idx(path, 3).unsqueeze(1);
  Dataset data{.name = "",
               .images = images,
               .labels = at::zeros({images.size(0)}, at::kLong),
               .class_names = {},
               .density = {}};
  keep_first(data, limit);
  return data;
}

Dataset load(const FashionMnistConfig& config, const io::Cache&, const EncodingContext&) {
  const std::string prefix = config.split == "train" ? "train" : "t10k";
  const fs::path images = fs::path(config.root) / (prefix + "-images-idx3-ubyte.gz");
  const fs::path labels = fs::path(config.root) / (prefix + "-labels-idx1-ubyte.gz");
  for (const fs::path& path : {images, labels}) {
    if (!io::path_exists(path)) {
      throw io::FileError(path,
                          "no such file; install Debian's package dataset-fashion-mnist (scripts/setup.sh "
                          "does), or set `root` to the folder that holds it");
    }
  }
  Dataset data = read_pair(images, labels,
                           {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
                            "Sneaker", "Bag", "Ankle boot"},
                           config.limit);
  if (data.images.size(2) != 28 || data.images.size(3) != 28) {
    throw io::FileError(images, "images are not 28 x 28");
  }
  data.name = "fashion_mnist/" + config.split;
  return data;
}

Dataset load(const IdxConfig& config, const io::Cache&, const EncodingContext&) {
  Dataset data = config.labels.empty()
                     ? read_unlabelled(config.images, config.limit)
                     : read_pair(config.images, config.labels, numbers(config.classes), config.limit);
  data.name = fs::path(config.images).stem().string();
  return data;
}

Dataset load(const MixtureConfig& config, const io::Cache&, const EncodingContext&) {
  const MixtureDensity density = mixture_density(config);
  const auto [points, components] = draw_points(density, static_cast<uint64_t>(config.seed), config.count);
  Dataset data{
      .name = config.kind, .images = points, .labels = components, .class_names = {}, .density = density};
  for (size_t k = 0; k < config.weights.size(); ++k)
    data.class_names.push_back("component " + std::to_string(k));
  return data;
}

Dataset load(const ImageFilesConfig& config, const io::Cache& cache, const EncodingContext&) {
  const ImageFiles files = read_image_files(config, cache);
  const auto& [images, labels, passed_over, facts] = files;
  const fs::path path = fs::absolute(config.path).lexically_normal();
  return {
      .name = (path.has_filename() ? path : path.parent_path()).stem().string(),
      .images = images,
      .labels = labels ? labels->values : at::zeros({images.size(0)}, at::kLong),
      .class_names = labels && !labels->names.empty() ? labels->names : numbers(labels ? labels->classes : 0),
      .density = {},
      .passed_over = passed_over,
      .content = facts};
}

Dataset load(const LatentsConfig& config, const io::Cache&, const EncodingContext&) {
  const Latents latents = read_latents(config);
  return {.name = fs::path(config.files.front()).stem().string(),
          .images = latents.values,
          .spread = latents.spread,
          .labels = latents.labels,
          .class_names = numbers(latents.classes),
          .density = {},
          .encoded_by = latents.encoded_by};
}

Dataset load(const EncodedConfig& config, const io::Cache& cache, const EncodingContext& encoding) {
  if (!encoding.open)
    throw config::ConfigError("data of kind encoded is to train on; name the pictures that it is made of");
  const Encoder encoder = encoding.open(config.autoencoder);
  const Dataset pictures = std::visit([&](const auto& set) { return load(set, cache, encoding); }, config.of);
  return encoded(pictures, encoder, config, cache, encoding);
}

}  // namespace

std::string autoencoder_of(const DatasetConfig& data) {
  if (const auto* encoded = std::get_if<EncodedConfig>(&data)) return encoded->autoencoder;
  if (const auto* latents = std::get_if<LatentsConfig>(&data)) return latents->autoencoder;
  return "";
}

Dataset load_dataset(const DatasetConfig& config, const io::Cache& cache, const EncodingContext& encoding) {
  return std::visit([&](const auto& chosen) { return load(chosen, cache, encoding); }, config);
}

std::vector<int64_t> class_counts(const Dataset& data) {
  const auto classes = static_cast<int64_t>(data.class_names.size());
  if (classes == 0) return {};
  const at::Tensor counts = data.labels.bincount({}, classes);
  return {counts.const_data_ptr<int64_t>(), counts.const_data_ptr<int64_t>() + classes};
}

std::string empty_classes(const std::vector<int64_t>& counts) {
  std::vector<std::string> empty;
  for (size_t k = 0; k < counts.size(); ++k)
    if (counts[k] == 0) empty.push_back(std::to_string(k));
  if (empty.empty()) return "";
  const bool one = empty.size() == 1;
  std::string text =
      (one ? "class " : "classes ") + config::listed(empty, 8) + (one ? " has" : " have") + " no image";
  if (one && counts.front() == 0) text += "; labels seem to start at 1";
  return text;
}

ChannelStatistics statistics_of(const Dataset& data) {
  ChannelStatistics statistics =
      data.content ? data.content->statistics : channel_statistics(data.images, data.spread);
  statistics.class_counts = class_counts(data);
  return statistics;
}

at::Tensor to_float(const at::Tensor& images) {
  if (images.is_floating_point()) return images;
  const at::Tensor wide = images.to(at::kFloat);
  // A divisor where the images are: by a number of the host CUDA multiplies with its reciprocal, which is
  // another bit.
  return wide / at::full({}, 127.5, wide.options()) - 1;
}

}  // namespace onestep
