// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "evaluation/feature_set.h"
#include "evaluation/stage_watch.h"
#include "networks/classifier.h"

namespace onestep {

/// A trained classifier as the feature space of FID.
struct FeatureNetwork {
  Classifier classifier;
  std::string path, sha256;
  at::Device device = at::kCPU;
};

/// Throws io::FileError.
FeatureNetwork load_feature_network(const std::filesystem::path& path, at::Device device);

/// Throws io::FileError naming `source` unless the network takes images of this size.
void expect_image_size(const FeatureNetwork& network, const std::string& source, int64_t channels,
                       int64_t height, int64_t width);

/// Fills `features`, `predicted` and `feature_seconds` of a set from its images, `batch` at a time. Images
/// enter as they would from a file, uint8, so that a generator gains nothing from finer values. Throws
/// io::FileError naming set.source when they are not of the classifier's size, NumericalError when a feature
/// is not finite.
void extract_features(FeatureSet& set, const FeatureNetwork& network, int64_t batch, const std::string& stage,
                      const StageWatch& watch = {});

}  // namespace onestep
