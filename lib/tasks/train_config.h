// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "config/each.h"
#include "data/dataset.h"
#include "evaluation/in_training.h"
#include "tasks/autoencode.h"
#include "tasks/classify.h"
#include "tasks/denoise.h"
#include "tasks/distil.h"

namespace onestep {

using TaskConfig = std::variant<DenoiseConfig, DistilConfig, ClassifyConfig, AutoencodeConfig>;

/// One experiment: the whole of what onestep-train reads.
struct TrainConfig {
  RunConfig run;
  DatasetConfig data;
  TaskConfig task;
  std::optional<InTrainingConfig> evaluation;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("run", c.run, "the run: folder, budget, batches, device");
    visit("data", c.data, "the training images");
    visit("task", c.task, "what is trained");
    visit("evaluation", c.evaluation, "FID on the way; the best model is kept beside the last", config::any,
          config::Role::free);
  }
  std::string problem() const {
    if (run.flip && holds_latents(data))
      return "run.flip: latents are not mirrored; encoded data can be of mirrored pictures (data.mirrored)";
    if (!evaluation) return "";
    if (std::holds_alternative<ClassifyConfig>(task))
      return "evaluation: a classifier makes no images to score";
    if (std::holds_alternative<AutoencodeConfig>(task) &&
        !std::holds_alternative<DatasetReference>(evaluation->reference))
      return "evaluation.reference: an autoencoder is scored by the images of a data set";
    if (!is_pictures(data) && autoencoder_of(data).empty())
      return "evaluation: only images can be scored, not points or latents that nothing decodes";
    return "";
  }
};

/// Why a run of this experiment can't be given another budget half-way; "" where it can.
inline std::string budget_problem(const TrainConfig& config) {
  std::string problem;
  config::for_each<LearningRateConfig>(config, [&](const std::string& path, const LearningRateConfig& c) {
    if (c.decay != "constant")
      problem = path + ".decay is " + c.decay + ": every step so far would have had another learning rate";
  });
  return problem;
}

/// The files that a task is made from. Throws io::FileError.
inline std::vector<Source> sources_of(const TaskConfig& task) {
  std::vector<Source> sources;
  const auto* distil = std::get_if<DistilConfig>(&task);
  if (distil == nullptr) return sources;
  if (distil->teacher) sources.push_back(source_file("teacher", *distil->teacher));
  if (distil->student.from) sources.push_back(source_file("student", *distil->student.from));
  if (distil->reward) sources.push_back(source_file("classifier", distil->reward->classifier));
  return sources;
}

inline Task make_task(const TaskConfig& config, const TaskContext& context) {
  struct {
    const TaskContext& context;
    Task operator()(const DenoiseConfig& c) const { return make_denoise_task(c, context); }
    Task operator()(const DistilConfig& c) const { return make_distil_task(c, context); }
    Task operator()(const ClassifyConfig& c) const { return make_classify_task(c, context); }
    Task operator()(const AutoencodeConfig& c) const { return make_autoencode_task(c, context); }
  } const make{context};
  return std::visit(make, config);
}

}  // namespace onestep
