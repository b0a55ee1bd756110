// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "evaluation/context.h"
#include "evaluation/evaluate_config.h"
#include "evaluation/feature_extractor.h"
#include "evaluation/feature_set.h"
#include "networks/codec.h"

namespace onestep {

/// A model that a run kept on its way, after `nimg` images.
struct KeptModel {
  int64_t nimg = 0;
  std::filesystem::path path;
};

/// Those in the folder `models` of a run, oldest first. Throws io::FileError where there are none, or
/// the folder can't be listed.
std::vector<KeptModel> kept_models(const std::filesystem::path& run);

/// The same as rank 0 finds them: a run may go on meanwhile.
std::vector<KeptModel> kept_models(const std::filesystem::path& run, const Communicator& ranks);

/// One of them as it is scored.
ModelSubject trend_subject(const KeptModel& kept);

/// The sampler of a model subject, and what makes pictures of its samples. Throw io::FileError or
/// config::ConfigError.
SamplerConfig sampler_of(const ModelSubject& subject);
Codec codec_of(const ModelSubject& subject, at::Device device);

/// How sources become features.
struct Collector {
  const EvaluateConfig& config;
  const EvaluationContext& context;
  std::optional<FeatureExtractor> extractor;  ///< none where everything comes as features
  FeatureParts parts;
};

/// Opens the feature network of the configuration. Both arguments must outlive the result. Throws
/// io::FileError.
Collector make_collector(const EvaluateConfig& config, const EvaluationContext& context);

/// Features of what a subject names: images drawn from a model for `images` seeds from `first_seed` on,
/// images chosen from a dataset (all of it where it has fewer), or a feature file taken whole. Drawn images
/// and features are taken from the cache where it has them. Of several ranks every one must call it, in the
/// same order: each computes its share (shared_rows.h), and the first has the result; a set of another has
/// its own images alone. Throws io::FileError, config::ConfigError and
/// NumericalError as the readers and samplers do, and what the context's watch throws.
FeatureSet collect(const SubjectConfig& subject, int64_t first_seed, const Collector& collector);

/// A model in memory, and how images are drawn from it.
struct Generator {
  Denoiser model;
  Codec codec;  ///< between its samples and pictures
  SamplerConfig sampler;
  std::vector<int64_t> classes;  ///< those that are drawn (trained_classes)
  std::string name, source;      ///< of its stages, and where it comes from
  std::string sha256;            ///< of its file: the key of what is cached
};

/// Features of images drawn from a generator, likewise.
FeatureSet collect(const Generator& generator, int64_t first_seed, const Collector& collector);

/// Images of a set as an autoencoder in memory gives them back, those of its latents' means, likewise.
struct Reconstruction {
  Codec codec;
  std::string name;
  DatasetConfig data;
};
FeatureSet collect(const Reconstruction& reconstruction, const Collector& collector);

/// The same for the reference, which is taken whole.
FeatureSet collect(const ReferenceConfig& reference, const Collector& collector);

}  // namespace onestep
