// SPDX-License-Identifier: Apache-2.0
#include "evaluation/in_training.h"

#include <utility>

#include "evaluation/score.h"
#include "evaluation/sources.h"

namespace onestep {

std::string InTrainingConfig::problem() const {
  return has_network(features) ? "" : "features.model: images need a network to turn them into features";
}

struct ModelScorer::State {
  EvaluateConfig config;
  EvaluationContext context;
  config::Partial<SamplerConfig> sampler;
  Collector collector;
  FeatureSet reference;
  Gaussian law;

  State(const InTrainingConfig& wanted, const EvaluationContext& where)
      : config{.features = wanted.features,
               .reference = wanted.reference,
               .images = wanted.images,
               .classes = wanted.classes,
               .batch = wanted.batch},
        context(where),
        sampler(wanted.sampler),
        collector(make_collector(config, context)),
        reference(collect(config.reference, collector)),
        law(fit(reference)) {}
};

ModelScorer::ModelScorer(const InTrainingConfig& config, const EvaluationContext& context)
    : state_(std::make_unique<State>(config, context)) {}

ModelScorer::~ModelScorer() = default;

Scored ModelScorer::operator()(const std::filesystem::path& model) const {
  const ModelSubject subject{.name = "evaluation", .path = model.string(), .sampler = state_->sampler};
  const FeatureSet set = collect(subject, state_->config.first_seed, state_->collector);
  const FidScore result = score(set, fit(set), state_->reference, state_->law);
  return {result.fid.value, result.se};
}

}  // namespace onestep
