// SPDX-License-Identifier: Apache-2.0
#include "evaluation/classifier_features.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>

#include "data/dataset.h"
#include "io/file_error.h"
#include "io/numerical_error.h"
#include "io/sha256.h"

namespace onestep {
namespace {

std::string size_text(int64_t channels, int64_t height, int64_t width) {
  return std::to_string(channels) + "x" + std::to_string(height) + "x" + std::to_string(width);
}

}  // namespace

FeatureNetwork load_feature_network(const std::filesystem::path& path, at::Device device) {
  return {load_classifier(path, device), path.string(), io::sha256_of_file(path), device};
}

void expect_image_size(const FeatureNetwork& network, const std::string& source, int64_t channels,
                       int64_t height, int64_t width) {
  const ClassifierConfig& expected = network.classifier.config;
  const int64_t side = expected.img_resolution;
  if (channels != expected.img_channels || height != side || width != side)
    throw io::FileError(source, "images are " + size_text(channels, height, width) + ", but the classifier " +
                                    network.path + " takes " + size_text(expected.img_channels, side, side));
}

void extract_features(FeatureSet& set, const FeatureNetwork& network, int64_t batch, const std::string& stage,
                      const StageWatch& watch) {
  const c10::NoGradGuard no_grad;
  const at::Tensor& images = set.images;
  if (images.size(0) < 2)
    throw io::FileError(set.source,
                        "a covariance needs at least 2 images, got " + std::to_string(images.size(0)));
  expect_image_size(network, set.source, images.size(1), images.size(2), images.size(3));
  const auto start = std::chrono::steady_clock::now();
  std::vector<at::Tensor> features, predicted;
  const int64_t n = images.size(0);
  for (int64_t begin = 0; begin < n; begin += batch) {
    if (watch) watch(stage, begin, n);
    const at::Tensor block = images.narrow(0, begin, std::min(batch, n - begin));
    const Classified seen = classify(network.classifier, to_float(block).to(network.device));
    features.push_back(seen.features.to(at::kCPU));
    predicted.push_back(seen.logits.argmax(1).to(at::kCPU));
  }
  if (watch) watch(stage, n, n);
  set.features = at::cat(features);
  set.predicted = at::cat(predicted);
  set.feature_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!at::isfinite(set.features).all().item<bool>())
    throw NumericalError(set.source + ": the classifier " + network.path +
                         " gives features that are not finite");
}

}  // namespace onestep
