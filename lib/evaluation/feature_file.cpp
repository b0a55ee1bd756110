// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include "evaluation/feature_set.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "io/sha256.h"

namespace onestep {
namespace {

constexpr const char* kArray = "features";

at::Tensor find_array(const std::filesystem::path& path) {
  if (path.extension() == ".npz") return io::read_npz(path, {kArray}).at(kArray);
  if (path.extension() == ".safetensors") return io::read_safetensors(path).at(kArray);
  throw io::FileError(path, "features are read from .npz or .safetensors files");
}

std::string shape_text(const at::Tensor& array) {
  std::string text;
  for (int64_t size : array.sizes()) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

}  // namespace

at::Tensor read_features(const std::filesystem::path& path) {
  const at::Tensor features = find_array(path);
  const auto refuse = [&](const std::string& why) {
    throw io::FileError(path, std::string("array '") + kArray + "' " + why);
  };
  if (features.scalar_type() != at::kFloat && features.scalar_type() != at::kDouble)
    refuse(std::string("must be float32 or float64, got ") + at::toString(features.scalar_type()));
  if (features.dim() != 2) refuse("must have shape [N, d], got " + shape_text(features));
  if (features.size(0) < 2) refuse("needs at least 2 rows, got " + std::to_string(features.size(0)));
  if (features.size(1) < 1) refuse("has no columns");
  // Extrema carry NaN along, and take no memory where isfinite of all would take that of the features again.
  const at::Tensor bad = (at::isfinite(features.amax(1)) & at::isfinite(features.amin(1))).logical_not();
  if (bad.any().item<bool>())
    refuse("holds NaN or infinity, first in row " +
           std::to_string(bad.to(at::kInt).argmax().item<int64_t>()) + " (" +
           std::to_string(bad.sum().item<int64_t>()) + " of " + std::to_string(features.size(0)) + " rows)");
  return features;
}

FeatureSet features_from_file(const std::filesystem::path& path) {
  if (holds_statistics(path))
    return {.statistics = read_statistics(path), .source = path.string(), .sha256 = io::sha256_of_file(path)};
  return {.features = read_features(path), .source = path.string(), .sha256 = io::sha256_of_file(path)};
}

}  // namespace onestep
