// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include "devices/device_case.h"
#include "evaluation/feature_extractor.h"
#include "evaluation/frechet.h"
#include "networks/classifier.h"
#include "networks/inception.h"
#include "networks/inception_rule.h"
#include "temporary_folder.h"

namespace onestep::test {
namespace {

at::Tensor pictures(uint64_t seed, int64_t n) {
  return (kernels::philox_uniform(seed, 0, at::arange(n), {1, 28, 28}, at::kCPU) * 255).to(at::kByte);
}

/// The file that `config` names, as features of two sets of images and their Fréchet distance.
Outputs features_and_fid(const FeaturesConfig& config, int64_t n, at::Device device) {
  const FeatureExtractor extractor = open_extractor(config, device);
  const auto features = [&](uint64_t seed) {
    FeatureSet set{.images = pictures(seed, n), .source = "noise"};
    extract_features(set, extractor, {.logits = true}, 16, "features");
    return set.features;
  };
  const at::Tensor a = features(1), b = features(2);
  const double fid = frechet_distance(fit_gaussian(a), fit_gaussian(b)).value;
  return {a, b, at::full({1}, fid, at::kDouble)};
}

Outputs classifier(at::Device device, at::ScalarType) {
  const TemporaryFolder folder;
  const auto path = folder / "classifier.safetensors";
  save_classifier(path, make_classifier({}, 5));
  return features_and_fid(ClassifierFeatures{.model = path.string()}, 64, device);
}

Outputs inception_passes(at::Device device, at::ScalarType) {
  const InceptionOutput out =
      inception(clone(fold_batch_norm(rule_inception(1)), device), pictures(1, 2).to(device));
  return {out.pool, out.spatial, out.logits};
}

}  // namespace

std::vector<DeviceCase> evaluation_cases() {
  return {{"evaluation", "classifier features and their FID", 1e-4, classifier, /*any_dtype=*/false},
          {"evaluation", "Inception: pool, spatial, logits", 1e-4, inception_passes, /*any_dtype=*/false}};
}

}  // namespace onestep::test
