// SPDX-License-Identifier: Apache-2.0
#include "evaluation/feature_extractor.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "data/dataset.h"
#include "io/file_error.h"
#include "io/numerical_error.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "networks/classifier.h"
#include "networks/inception.h"

namespace onestep {
namespace {

FeatureExtractor open(const ClassifierFeatures& config, at::Device device) {
  const Classifier classifier = load_classifier(config.model, device);
  const int64_t side = classifier.config.img_resolution;
  const ImageShape expected{classifier.config.img_channels, side, side};
  return {.kind = config.kind,
          .network = {.path = config.model, .sha256 = io::sha256_of_file(config.model)},
          .knows_data_classes = true,
          .problem = [=](const ImageShape& shape) -> std::string {
            return shape == expected ? ""
                                     : "the classifier " + config.model + " takes " + shape_text(expected);
          },
          .extract =
              [=](const at::Tensor& images) {
                const Classified seen = classify(classifier, to_float(images).to(device));
                return Extracted{.features = seen.features, .logits = seen.logits};
              }};
}

std::string origin_of(const std::string& weights) {
  const auto metadata = io::read_safetensors_metadata(weights);
  return metadata.contains("source_sha256") && metadata.contains("source") ? metadata.at("source") : "";
}

FeatureExtractor open(const InceptionFeatures& config, at::Device device) {
  const Inception network = load_inception(config.model, device);
  return {.kind = config.kind,
          .network = {.path = config.model,
                      .sha256 = io::sha256_of_file(config.model),
                      .origin = origin_of(config.model)},
          .problem = [](const ImageShape& shape) -> std::string {
            return shape.channels == 1 || shape.channels == 3 ? "" : "Inception takes grey or RGB images";
          },
          .extract =
              [=](const at::Tensor& images) {
                const InceptionOutput out = inception(network, images.to(device));
                return Extracted{.features = out.pool, .spatial = out.spatial, .logits = out.logits};
              }};
}

FeatureExtractor open(const TorchScriptFeatures& config, at::Device device) {
  return open_torchscript(config, device);
}

FeatureExtractor open(const PixelFeatures& config, at::Device) {
  return {.kind = config.kind,
          .problem = [](const ImageShape&) { return std::string(); },
          .extract =
              [](const at::Tensor& images) {
                return Extracted{.features = images.flatten(1).to(at::kFloat) / 255.0};
              }};
}

/// Puts a batch's rows into their place among all `n`, for which memory is taken once.
void put(at::Tensor& all, const at::Tensor& rows, int64_t begin, int64_t n) {
  if (!all.defined()) all = at::empty({n, rows.size(1)}, rows.options().device(at::kCPU));
  all.narrow(0, begin, rows.size(0)).copy_(rows);
}

}  // namespace

FeatureExtractor open_extractor(const FeaturesConfig& config, at::Device device) {
  return std::visit([&](const auto& chosen) { return open(chosen, device); }, config);
}

std::string shape_text(const ImageShape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

int64_t feature_width(const FeatureExtractor& extractor, const ImageShape& shape) {
  const c10::NoGradGuard no_grad;
  return extractor.extract(at::zeros({2, shape.channels, shape.height, shape.width}, at::kByte))
      .features.size(1);
}

void expect_images(const FeatureExtractor& extractor, const std::string& source, const ImageShape& shape) {
  if (const std::string problem = extractor.problem(shape); !problem.empty())
    throw io::FileError(source, "images are " + shape_text(shape) + ", but " + problem);
}

void extract_features(FeatureSet& set, const FeatureExtractor& extractor, FeatureParts parts, int64_t batch,
                      const std::string& stage, const StageWatch& watch, const Workers& workers) {
  const c10::NoGradGuard no_grad;
  const at::Tensor& images = set.images;
  const int64_t n = images.size(0);
  expect_images(extractor, set.source, {images.size(1), images.size(2), images.size(3)});
  at::Tensor predicted;
  std::mutex writing;
  int64_t done = 0;
  if (watch) watch(stage, 0, n);
  workers.for_each((n + batch - 1) / batch, [&](int64_t pass, int64_t) {
    const int64_t begin = pass * batch, size = std::min(batch, n - begin);
    const Extracted out = extractor.extract(images.narrow(0, begin, size));
    const std::lock_guard lock(writing);
    put(set.features, out.features, begin, n);
    if (parts.spatial && out.spatial.defined()) put(set.spatial, out.spatial, begin, n);
    if (parts.logits && out.logits.defined()) put(set.logits, out.logits, begin, n);
    if (extractor.knows_data_classes) put(predicted, out.logits.argmax(1, true), begin, n);
    done += size;
    if (watch) watch(stage, done, n);
  });
  if (predicted.defined()) set.predicted = predicted.flatten();
  if (!std::isfinite(set.features.amax().item<double>()) ||
      !std::isfinite(set.features.amin().item<double>()))
    throw NumericalError(set.source + ": the " + extractor.kind + " " + extractor.network.path +
                         " gives features that are not finite");
}

}  // namespace onestep
