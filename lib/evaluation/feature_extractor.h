// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include "evaluation/feature_set.h"
#include "evaluation/features_config.h"
#include "evaluation/stage_watch.h"
#include "networks/denoiser.h"
#include "parallel/workers.h"

namespace onestep {

/// What a feature network says of a batch of images.
struct Extracted {
  at::Tensor features;  ///< [B, d]
  at::Tensor spatial;   ///< [B, 2023], of Inception only
  at::Tensor logits;    ///< [B, K], where the network has classes
};

/// The file of a feature network's weights; empty for pixels.
struct NetworkFile {
  std::string path, sha256;
  std::string origin;  ///< what the file says it was converted from, as scripts/convert_inception.py writes
};

/// A feature space: maps images to vectors.
struct FeatureExtractor {
  std::string kind;  ///< of the configuration: classifier, inception, torchscript, pixels
  NetworkFile network;
  bool knows_data_classes = false;                             ///< its classes are those of the data
  std::function<std::string(const ImageShape&)> problem;       ///< why it can't take such images, or ""
  std::function<Extracted(const at::Tensor& images)> extract;  ///< uint8 [B, C, H, W] on the CPU
};

/// What is kept of a network's outputs beside the features. With 50,000 images Inception's spatial features
/// take 0.4 GB.
struct FeatureParts {
  bool spatial = false, logits = false;
};

/// Opens the network that the configuration names. Throws io::FileError.
FeatureExtractor open_extractor(const FeaturesConfig& config, at::Device device);

/// The alternative that has a file of its own, since only it needs TorchScript's headers.
FeatureExtractor open_torchscript(const TorchScriptFeatures& config, at::Device device);

/// "3x32x32"
std::string shape_text(const ImageShape& shape);

/// Features of such an image, which the extractor takes: it is asked with black ones.
int64_t feature_width(const FeatureExtractor& extractor, const ImageShape& shape);

/// Throws io::FileError naming `source` unless the extractor takes such images.
void expect_images(const FeatureExtractor& extractor, const std::string& source, const ImageShape& shape);

/// Fills `features`, the wanted parts and `predicted` (where the network knows the data's classes) of a set
/// from its images, `batch` at a time. Images enter as they would from a file, uint8, so that a generator
/// gains nothing from finer values; the workers share the batches. Throws io::FileError naming set.source
/// when the extractor can't take them, NumericalError when a feature is not finite, and what `watch` throws.
void extract_features(FeatureSet& set, const FeatureExtractor& extractor, FeatureParts parts, int64_t batch,
                      const std::string& stage, const StageWatch& watch = {}, const Workers& workers = {});

}  // namespace onestep
