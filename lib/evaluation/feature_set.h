// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "evaluation/statistics_file.h"

namespace onestep {

/// Features of a set of images and, where they were at hand, the images. Everything lies on the CPU.
struct FeatureSet {
  at::Tensor features;  ///< [N, d] float32 or float64, finite; undefined where only statistics are known
  std::optional<StatisticsFile> statistics;  ///< in the place of features
  at::Tensor spatial;  ///< [N, 2023] float32, Inception's spatial features (sFID); undefined for others
  at::Tensor logits;   ///< [N, K] float32, of the feature network's own classes; may be undefined
  at::Tensor images;   ///< uint8 [N, C, H, W]; undefined for a feature file
  at::Tensor labels;  ///< int64 [N], the class asked of a generator or that of a real image; may be undefined
  at::Tensor predicted;  ///< int64 [N], the class that the classifier sees; undefined without a classifier
  std::vector<std::string> class_names;  ///< of a dataset
  std::string source;                    ///< one line: where they come from
  std::string passed_over;               ///< files of a folder or archive that are not among the images
  std::string sha256;                    ///< of the model or feature file, or of a dataset's pixels
  std::string sampler;                   ///< solver and noise levels, of a generator
  std::optional<int64_t> nfe;            ///< network evaluations an image, of a generator
  double image_seconds = 0;              ///< spent drawing images
  double feature_seconds = 0;            ///< spent in the feature network
  bool images_reused = false, features_reused = false;  ///< from the cache; the seconds are those of then

  bool has_samples() const { return features.defined(); }
  /// N; 0 where only statistics are known that don't tell it.
  int64_t size() const { return has_samples() ? features.size(0) : statistics->n; }
  int64_t width() const { return has_samples() ? features.size(1) : statistics->features.mean.size(0); }
};

/// The array `features` [N, d] of a .npz or .safetensors file, float32 or float64 as stored. Throws
/// io::FileError naming the file: unreadable, another suffix, no such array (with the names that are there),
/// not two-dimensional, another dtype, fewer than 2 rows, no columns, NaN or infinity (with the first row).
at::Tensor read_features(const std::filesystem::path& path);

/// A set of what a file holds, features or statistics (read_statistics), with the file's hash. Throws as they
/// do.
FeatureSet features_from_file(const std::filesystem::path& path);

}  // namespace onestep
