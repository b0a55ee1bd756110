// SPDX-License-Identifier: Apache-2.0
#include "evaluation/in_training.h"

#include <utility>

#include <c10/util/StringUtil.h>

#include "evaluation/score.h"
#include "evaluation/sources.h"
#include "networks/model_codec.h"
#include "parallel/together.h"
#include "samplers/model_data.h"

namespace onestep {

std::string InTrainingConfig::problem() const {
  return has_network(features) ? "" : "features.model: images need a network to turn them into features";
}

struct ModelScorer::State {
  EvaluateConfig config;
  EvaluationContext context;
  Codec codec;
  config::Partial<SamplerConfig> sampler;
  std::optional<Collector> collector;
  FeatureSet reference;
  Gaussian law;  ///< of the reference; rank 0's

  State(const InTrainingConfig& wanted, const EvaluationContext& where, const Codec& decoder)
      : config{.features = wanted.features,
               .reference = wanted.reference,
               .images = wanted.images,
               .classes = wanted.classes,
               .batch = wanted.batch},
        context(where),
        codec(decoder),
        sampler(wanted.sampler) {}

  /// Throws config::ConfigError where such images can't be compared with the reference.
  void require_fit(const ImageShape& shape) const {
    const auto refuse = [](const std::string& key, const std::string& why) {
      throw config::ConfigError("evaluation." + key + ": " + why);
    };
    if (reference.images.defined()) {
      const at::Tensor& images = reference.images;
      const ImageShape real{images.size(1), images.size(2), images.size(3)};
      if (!(real == shape))
        refuse("reference", c10::str(reference.source, " has ", shape_text(real), " images, the model makes ",
                                     shape_text(shape)));
    }
    if (const std::string problem = collector->extractor->problem(shape); !problem.empty())
      refuse("features", c10::str("the model makes ", shape_text(shape), " images, but ", problem));
    const int64_t width = feature_width(*collector->extractor, shape);
    if (width != reference.width())
      refuse("reference", c10::str(reference.source, " has ", reference.width(),
                                   " dimensions, the features of the model's images ", width));
  }
};

ModelScorer::ModelScorer(const InTrainingConfig& config, const EvaluationContext& context,
                         const ImageShape& images, const Codec& codec)
    : state_(std::make_unique<State>(config, context, codec)) {
  State& state = *state_;
  together(context.ranks, [&] { state.collector.emplace(make_collector(state.config, state.context)); });
  state.reference = collect(state.config.reference, *state.collector);
  together(context.ranks, [&] {
    if (context.ranks.rank != 0) return;
    state.law = fit(state.reference);
    state.require_fit(images);
  });
}

ModelScorer::~ModelScorer() = default;

/// FID of the reference's images as an autoencoder gives them back.
FeatureSet ModelScorer::reconstructions(const io::TensorFile& autoencoder) const {
  Reconstruction reconstruction{
      .codec = {}, .name = "evaluation", .data = std::get<DatasetReference>(state_->config.reference).data};
  together(state_->context.ranks,
           [&] { reconstruction.codec = codec_of(autoencoder, state_->context.device); });
  return collect(reconstruction, *state_->collector);
}

FeatureSet ModelScorer::samples(const io::TensorFile& model) const {
  std::optional<Generator> generator;
  together(state_->context.ranks, [&] {
    const Denoiser denoiser = denoiser_of(model, state_->context.device);
    generator.emplace(Generator{
        .model = denoiser,
        .codec = state_->codec,
        .sampler = for_model(with_changes(sampler_of_metadata(model.metadata, model.path), state_->sampler),
                             denoiser),
        .classes = trained_classes(denoiser, data_of_metadata(model.metadata, model.path)),
        .name = "evaluation",
        .source = model.path.string(),
        .sha256 = ""});
  });
  return collect(*generator, state_->config.first_seed, *state_->collector);
}

std::optional<Scored> ModelScorer::operator()(const io::TensorFile& model) const {
  const FeatureSet set = is_codec(model) ? reconstructions(model) : samples(model);
  if (state_->context.ranks.rank != 0) return std::nullopt;
  const FidScore result = score(set, fit(set), state_->reference, state_->law);
  return Scored{result.fid.value, result.se};
}

}  // namespace onestep
