// SPDX-License-Identifier: Apache-2.0
#include "data/packed_images.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include "data/content_hash.h"
#include "io/log.h"
#include "io/tensor_bytes.h"

namespace onestep {
namespace {

using io::bytes_of;
using io::NamedArrays;

constexpr int kVersion = 2;  // raised when the same files would be packed otherwise
constexpr size_t kBlock = size_t{1} << 20;
constexpr int64_t kBlocksRead = 128;
constexpr int64_t kNoLabels = -1;

int64_t crc_of(std::string_view bytes) {
  return static_cast<int64_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

int64_t block_count(const at::Tensor& images) {
  return static_cast<int64_t>((images.nbytes() + kBlock - 1) / kBlock);
}

int64_t block_crc(const at::Tensor& images, int64_t block) {
  return crc_of(bytes_of(images).substr(static_cast<size_t>(block) * kBlock, kBlock));
}

/// CRC-32 of each MiB of the pixels, int64.
at::Tensor block_crcs(const at::Tensor& images) {
  const at::Tensor crcs = at::empty({block_count(images)}, at::kLong);
  at::parallel_for(0, crcs.size(0), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) crcs.mutable_data_ptr<int64_t>()[i] = block_crc(images, i);
  });
  return crcs;
}

/// CRC-32 over all that is small: names, shapes and values.
at::Tensor small_crc(const NamedArrays& arrays) {
  std::string all;
  for (const auto& [name, array] : arrays) {
    if (name == "small_crc") continue;
    all.append(name).append(c10::str(array.scalar_type(), array.sizes()));
    if (name != "images") all.append(bytes_of(array));
  }
  return at::full({1}, crc_of(all), at::kLong);
}

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

at::Tensor tensor_of(const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  return bytes;
}

NamedArrays pack(const ImageFiles& files) {
  const at::Tensor labels =
      files.labels ? files.labels->values : at::zeros({files.images.size(0)}, at::kLong);
  const ChannelStatistics statistics = channel_statistics(files.images);
  NamedArrays arrays{
      {"images", files.images},
      {"labels", labels},
      {"classes", at::full({1}, files.labels ? files.labels->classes : kNoLabels, at::kLong)},
      {"class_names", tensor_of(files.labels ? joined(files.labels->names) : "")},
      {"mean", at::tensor(statistics.mean, at::kDouble)},
      {"std", at::tensor(statistics.std, at::kDouble)},
      {"passed_over", tensor_of(files.passed_over)},
      {"sha256", tensor_of(content_sha256(files.images, labels, files.labels ? files.labels->classes : 0))},
      {"block_crcs", block_crcs(files.images)}};
  arrays["small_crc"] = small_crc(arrays);
  return arrays;
}

bool is_whole(const NamedArrays& arrays) {
  for (const char* name : {"images", "labels", "classes", "class_names", "mean", "std", "passed_over",
                           "sha256", "block_crcs", "small_crc"})
    if (!arrays.contains(name)) return false;
  const at::Tensor &images = arrays.at("images"), &crcs = arrays.at("block_crcs");
  if (!at::equal(arrays.at("small_crc"), small_crc(arrays)) || crcs.numel() != block_count(images))
    return false;
  const int64_t all = crcs.numel(), read = std::min(all, kBlocksRead);
  for (int64_t i = 0; i < read; ++i) {
    const int64_t block = read == 1 ? 0 : i * (all - 1) / (read - 1);  // the first and the last among them
    if (crcs.const_data_ptr<int64_t>()[block] != block_crc(images, block)) return false;
  }
  return true;
}

std::vector<double> numbers(const at::Tensor& values) {
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

ImageFiles unpack(const NamedArrays& arrays) {
  ImageFiles files{.images = arrays.at("images"),
                   .labels = {},
                   .passed_over = std::string(bytes_of(arrays.at("passed_over"))),
                   .facts = {}};
  if (const auto classes = arrays.at("classes").item<int64_t>(); classes != kNoLabels)
    files.labels = ImageLabels{arrays.at("labels"), classes, split(bytes_of(arrays.at("class_names")))};
  files.facts = PackedFacts{std::string(bytes_of(arrays.at("sha256"))),
                            {numbers(arrays.at("mean")), numbers(arrays.at("std"))}};
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
  return unpack(io::cached(
                    cache, description.dump(), is_whole, [&] { return pack(decode()); }, io::log_warning,
                    io::Checksum::left_to_caller)
                    .arrays);
}

}  // namespace onestep
