// SPDX-License-Identifier: Apache-2.0
// A classifier, a generator and a dataset, small enough to be made in a test.
#pragma once
#include <filesystem>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include "evaluation/random_features.h"
#include "io/safetensors.h"
#include "networks/classifier.h"
#include "temporary_folder.h"

namespace onestep {

constexpr int64_t kToySize = 8, kToyClasses = 3, kToyFeatures = 4;

/// Random weights: any fixed map from images to features will do.
inline std::filesystem::path toy_classifier(const TemporaryFolder& folder) {
  const ClassifierConfig config{
      .img_resolution = kToySize, .label_dim = kToyClasses, .channels = {8}, .feature_dim = kToyFeatures};
  save_classifier(folder / "classifier.safetensors", make_classifier(config, 1));
  return folder / "classifier.safetensors";
}

/// An unconditional generator: a Gaussian mixture over images of `size` x `size`, its sampler in the
/// metadata.
inline std::filesystem::path toy_generator(
    const TemporaryFolder& folder, int64_t size = kToySize,
    const std::string& sampling = R"({"solver": "euler", "steps": 3})") {
  const std::filesystem::path path = folder / ("generator" + std::to_string(size) + ".safetensors");
  io::write_safetensors(
      path,
      {{"weights", at::full({2}, 0.5, at::kDouble)},
       {"means", normal_features(3, 2, size * size).reshape({2, 1, size, size}) * 0.3},
       {"stds", at::full({2, 1, size, size}, 0.3, at::kDouble)}},
      {{"onestep.network", R"({"kind": "gaussian_mixture"})"}, {"onestep.sampling", sampling}});
  return path;
}

/// Two idx files of `n` noise images with labels 0, 1, 2, 0, …; returns the YAML of a dataset that reads
/// them.
inline std::string toy_dataset(const TemporaryFolder& folder, int64_t n, uint64_t seed = 5) {
  const auto header = [](std::initializer_list<int64_t> sizes) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
    for (const int64_t size : sizes)
      for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 255);
    return bytes;
  };
  const at::Tensor pixels =
      (normal_features(seed, n, kToySize * kToySize) * 40.0 + 128.0).clamp(0, 255).to(at::kByte).contiguous();
  const std::string name = "set" + std::to_string(n);
  write_bytes(folder / (name + "-images"),
              header({n, kToySize, kToySize}) +
                  std::string(reinterpret_cast<const char*>(pixels.const_data_ptr<uint8_t>()),
                              static_cast<size_t>(pixels.numel())));
  std::string labels = header({n});
  for (int64_t i = 0; i < n; ++i) labels += static_cast<char>(i % kToyClasses);
  write_bytes(folder / (name + "-labels"), labels);
  return "{kind: idx, images: " + (folder / (name + "-images")).string() +
         ", labels: " + (folder / (name + "-labels")).string() + ", classes: 3}";
}

/// A configuration with one subject of each kind of images.
inline std::string toy_config(const TemporaryFolder& folder) {
  return "out: " + (folder / "out").string() +
         "\ntitle: Toy <1>\nfeatures: {model: " + toy_classifier(folder).string() +
         "}\nreference: {kind: dataset, data: " + toy_dataset(folder, 90) +
         "}\nimages: 50\nbatch: 16\nbaseline: real\nsubjects:\n" +
         "  - {kind: model, name: toy, path: " + toy_generator(folder).string() +
         "}\n  - {kind: model, name: toy in one step, path: " + toy_generator(folder).string() +
         ", sampler: {solver: one_step}}\n  - {kind: dataset, name: real, data: " +
         toy_dataset(folder, 60, 6) + "}\n";
}

}  // namespace onestep
