// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "config/check.h"
#include "evaluation/context.h"
#include "evaluation/evaluate_config.h"
#include "evaluation/feature_set.h"
#include "evaluation/verdict.h"
#include "networks/codec.h"
#include "networks/denoiser.h"

namespace onestep {

/// FID while a model is trained: the same seeds each time.
struct InTrainingConfig {
  int64_t every_images = 0;
  int64_t images = 1000;
  FeaturesConfig features;
  ReferenceConfig reference;
  config::Partial<SamplerConfig> sampler;
  std::string classes = "balanced";
  int64_t batch = 100;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("every_images", c.every_images, "training images between evaluations; there is one at the end, too",
          config::at_least(1));
    visit("images", c.images, "images drawn each time, for the seeds 0, 1, 2, ...", config::at_least(2));
    visit("features", c.features, "the feature space of FID");
    visit("reference", c.reference, "what the images are compared with");
    visit("sampler", c.sampler, "changes to the sampler that the model brings along");
    visit("classes", c.classes, "of class-conditional models: as in onestep-evaluate",
          config::one_of({"balanced", "seeds"}));
    visit("batch", c.batch, "images a network pass", config::between(1, 4096));
  }
  std::string problem() const;
};

/// Scores models as onestep-evaluate would their files. Features of the reference are computed once, when it
/// is made. Of several ranks every one must make one and call it: they share the work.
class ModelScorer {
 public:
  /// For models whose samples become pictures of that shape by the codec. Throws io::FileError and
  /// config::ConfigError: what is wrong with features or reference, and what of them does not fit such
  /// images, shows before a run starts.
  ModelScorer(const InTrainingConfig& config, const EvaluationContext& context, const ImageShape& images,
              const Codec& codec = {});
  ~ModelScorer();

  /// FID of images drawn from the model, or of the reference's as an autoencoder gives them back; on rank 0
  /// alone. Throws what the context's watch throws.
  std::optional<Scored> operator()(const io::TensorFile& model) const;

 private:
  FeatureSet samples(const io::TensorFile& model) const;
  FeatureSet reconstructions(const io::TensorFile& autoencoder) const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace onestep
