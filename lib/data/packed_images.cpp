// SPDX-License-Identifier: Apache-2.0
#include "data/packed_images.h"

#include <string_view>

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <nlohmann/json.hpp>

#include "data/content_hash.h"
#include "data/packed_arrays.h"

namespace onestep {
namespace {

using io::NamedArrays;

constexpr int kVersion = 2;  // raised when the same files would be packed otherwise
constexpr int64_t kNoLabels = -1;

/// Names one behind the other, each with a zero byte.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(name).push_back('\0');
  return text;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> names;
  for (size_t end = 0; (end = text.find('\0')) != std::string_view::npos; text.remove_prefix(end + 1))
    names.emplace_back(text.substr(0, end));
  return names;
}

NamedArrays pack(const ImageFiles& files) {
  const at::Tensor labels =
      files.labels ? files.labels->values : at::zeros({files.images.size(0)}, at::kLong);
  const ChannelStatistics statistics = channel_statistics(files.images);
  return {
      {"images", files.images},
      {"labels", labels},
      {"classes", at::full({1}, files.labels ? files.labels->classes : kNoLabels, at::kLong)},
      {"class_names", array_of(files.labels ? joined(files.labels->names) : "")},
      {"mean", at::tensor(statistics.mean, at::kDouble)},
      {"std", at::tensor(statistics.std, at::kDouble)},
      {"passed_over", array_of(files.passed_over)},
      {"sha256", array_of(content_sha256(files.images, labels, files.labels ? files.labels->classes : 0))}};
}

std::vector<double> numbers(const at::Tensor& values) {
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

ImageFiles unpack(const NamedArrays& arrays) {
  ImageFiles files{.images = arrays.at("images"),
                   .labels = {},
                   .passed_over = text_of(arrays.at("passed_over")),
                   .facts = {}};
  if (const auto classes = arrays.at("classes").item<int64_t>(); classes != kNoLabels)
    files.labels = ImageLabels{arrays.at("labels"), classes, split(text_of(arrays.at("class_names")))};
  files.facts =
      PackedFacts{text_of(arrays.at("sha256")), {numbers(arrays.at("mean")), numbers(arrays.at("std"))}};
  return files;
}

}  // namespace

ImageFiles packed_images(const io::Cache& cache, const FileTree& tree, const ImageFilesConfig& config,
                         const std::function<ImageFiles()>& decode) {
  if (cache.folder.empty()) return decode();
  const nlohmann::ordered_json description{{"what", "decoded images"},
                                           {"version", kVersion},
                                           {"files", identity(tree)},
                                           {"labels", config.labels},
                                           {"limit", config.limit.value_or(0)}};
  return unpack(packed_arrays(cache, description.dump(), "images",
                              {"labels", "classes", "class_names", "mean", "std", "passed_over", "sha256"},
                              [&] { return pack(decode()); }));
}

}  // namespace onestep
