// SPDX-License-Identifier: Apache-2.0
#include "evaluation/sources.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include "config/config.h"
#include "data/loader.h"
#include "io/image.h"
#include "io/progress.h"
#include "io/sha256.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

std::string sampler_text(const SamplerConfig& sampler) {
  char text[160];
  const std::vector<double> sigmas = sigmas_of(sampler);
  std::snprintf(text, sizeof text, "%s, %zu %s from sigma %g", solver_name(solver_of(sampler)).c_str(),
                sigmas.size() - 1, sigmas.size() == 2 ? "step" : "steps", sigmas.front());
  return text;
}

/// The sampler of a model subject. Throws io::FileError or config::ConfigError.
SamplerConfig sampler_of(const ModelSubject& subject) {
  try {
    return with_changes(sampler_of_model(subject.path), subject.sampler);
  } catch (const config::ConfigError& error) {
    throw config::ConfigError("subject '" + subject.name + "': sampler: " + error.what());
  }
}

FeatureSet draw_images(const ModelSubject& subject, const EvaluateConfig& config,
                       const FeatureNetwork& network, const StageWatch& watch) {
  const Denoiser model = load_denoiser(subject.path, network.device);
  const auto [channels, height, width] = image_shape(model);
  expect_image_size(network, subject.path, channels, height, width);  // before an hour of drawing, not after
  const SamplerConfig sampler = sampler_of(subject);
  FeatureSet set{.source = subject.path, .sha256 = io::sha256_of_file(subject.path)};
  set.sampler = sampler_text(sampler);
  const int64_t classes = label_dim(model);
  const std::string stage = subject.name + ": images";
  const auto start = std::chrono::steady_clock::now();
  std::vector<at::Tensor> images;
  std::vector<int64_t> labels;
  for (int64_t begin = 0; begin < config.images; begin += config.batch) {
    SampleRequest request;
    request.seeds = consecutive_seeds(begin, std::min(config.batch, config.images - begin));
    if (classes > 0 && config.classes == "balanced")
      for (int64_t seed : request.seeds) request.classes.push_back(seed % classes);
    // Asked at every network pass, so that a long solver can be stopped, too.
    const SampleWatch pass = [&](int64_t done) {
      if (watch) watch(stage, begin + done, config.images);
    };
    const SampleResult drawn = generate(model, sampler, request, config.batch, pass);
    images.push_back(io::to_uint8(drawn.samples));
    labels.insert(labels.end(), drawn.classes.begin(), drawn.classes.end());
    set.nfe = drawn.nfe;
  }
  set.images = at::cat(images);
  if (!labels.empty()) set.labels = at::tensor(labels);
  set.image_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return set;
}

FeatureSet whole_dataset(const DatasetConfig& config) {
  const Dataset data = load_dataset(config);
  const at::Tensor pixels = data.images.contiguous();
  return {.images = pixels,
          .labels = data.labels,
          .class_names = data.class_names,
          .source = data.name,
          .sha256 = io::sha256({reinterpret_cast<const char*>(pixels.const_data_ptr<uint8_t>()),
                                static_cast<size_t>(pixels.numel())})};
}

FeatureSet chosen_images(const DatasetSubject& subject, const EvaluateConfig& config) {
  FeatureSet set = whole_dataset(subject.data);
  const int64_t all = set.images.size(0), n = std::min(config.images, all);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < n; ++i)
    chosen.push_back(shuffled_index(static_cast<uint64_t>(config.seed), 0, i, all));
  const at::Tensor rows = at::tensor(chosen);
  set.images = set.images.index_select(0, rows);
  set.labels = set.labels.index_select(0, rows);
  set.source += ", " + io::format_count(n) + " of " + io::format_count(all) + " images";
  return set;
}

template <class... Choices>
struct Overloaded : Choices... {
  using Choices::operator()...;
};

}  // namespace

void check_inputs(const EvaluateConfig& config) {
  for (const SubjectConfig& subject : config.subjects)
    std::visit(Overloaded{[](const ModelSubject& one) { sampler_of(one); }, [](const DatasetSubject&) {},
                          [](const FeaturesSubject& one) { read_features(one.path); }},
               subject);
}

FeatureSet collect(const SubjectConfig& subject, const EvaluateConfig& config,
                   const std::optional<FeatureNetwork>& network, const StageWatch& watch) {
  FeatureSet set = std::visit(
      Overloaded{[&](const ModelSubject& one) { return draw_images(one, config, *network, watch); },
                 [&](const DatasetSubject& one) { return chosen_images(one, config); },
                 [&](const FeaturesSubject& one) { return features_from_file(one.path); }},
      subject);
  if (set.images.defined())
    extract_features(set, *network, config.batch, subject_name(subject) + ": features", watch);
  return set;
}

FeatureSet collect(const ReferenceConfig& reference, const EvaluateConfig& config,
                   const std::optional<FeatureNetwork>& network, const StageWatch& watch) {
  if (const auto* file = std::get_if<FeaturesReference>(&reference)) return features_from_file(file->path);
  FeatureSet set = whole_dataset(std::get<DatasetReference>(reference).data);
  extract_features(set, *network, config.batch, "reference: features", watch);
  return set;
}

}  // namespace onestep
