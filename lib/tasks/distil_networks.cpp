// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil_networks.h"

#include <c10/util/StringUtil.h>

#include "config/node.h"

namespace onestep {
namespace {

/// The model in a file that something is to learn on from: a network for the data.
Denoiser read_network(const std::string& key, const std::string& what, const std::string& file,
                      const TaskContext& context) {
  Denoiser network = load_denoiser(file, context.device);
  if (network_of(network) == nullptr)
    throw config::ConfigError(key + ": " + file + " is not a network that a student can copy");
  require_fit(context, "the " + what + " " + file, image_shape(network), label_dim(network));
  return network;
}

Denoiser read_teacher(const DistilConfig& config, const TaskContext& context) {
  if (!config.teacher) {
    if (!context.data.density) {
      throw config::ConfigError(
          "task.teacher: whose model.safetensors? Only a gaussian_mixture has an exact denoiser");
    }
    const MixtureDensity& density = *context.data.density;
    return clone(exact_denoiser(density.weights, density.means, density.stds), context.device);
  }
  return read_network("task.teacher", "teacher", *config.teacher, context);
}

void require_guidable(const DistilConfig& config, const Denoiser& teacher) {
  const auto* network = std::get_if<FakeNetworkConfig>(&config.fake);
  const auto* reference = std::get_if<ReferenceFakeConfig>(&config.fake);
  const bool guided = config.teacher_guidance != 1 ||
                      (network != nullptr && (network->guidance != 1 || network->training_guidance != 1)) ||
                      (reference != nullptr && reference->guidance != 1);
  if (guided && label_dim(teacher) == 0) {
    throw config::ConfigError("task.teacher_guidance: guidance needs a class-conditional teacher");
  }
}

}  // namespace

Denoiser open_teacher(const DistilConfig& config, const TaskContext& context) {
  Denoiser teacher = read_teacher(config, context);
  require_guidable(config, teacher);
  const auto* network = network_of(teacher);
  if (config.recompute != "none" && (network == nullptr || !recomputes(config_of(network->network))))
    throw config::ConfigError("task.recompute: the teacher has no residual blocks to be recomputed");
  require_known("task.sigma", range_of(config.sigma), valid_range(teacher), "the teacher");
  if (config.regression) for_model(config.regression->sampler, teacher);
  set_recompute(teacher, config.recompute);
  return teacher;
}

std::optional<Denoiser> open_network(const DistilConfig& config, const Denoiser& teacher,
                                     const TaskContext& context) {
  if (config.teacher) return clone(teacher);
  if (!config.network) return {};
  Denoiser network =
      clone(make_denoiser(*config.network, context.run.seed, drawn_on(context)), context.device);
  require_fit(context, "task.network", image_shape(network), label_dim(network));
  return network;
}

std::optional<Denoiser> open_student(const DistilConfig& config, const std::optional<Denoiser>& network,
                                     const TaskContext& context) {
  if (!config.student.from) return network;
  const std::string& file = *config.student.from;
  Denoiser student = read_network("task.student.from", "student", file, context);
  if (network && label_dim(student) != label_dim(*network))
    throw config::ConfigError("task.student.from: " + file + " and the teacher have different classes");
  set_recompute(student, config.recompute);
  return student;
}

Classifier open_classifier(const RewardConfig& config, const GeneratorConfig& student,
                           const Denoiser& labelled, const TaskContext& context) {
  if (label_dim(labelled) == 0 && !std::holds_alternative<ParticlesConfig>(student)) {
    throw config::ConfigError(
        "task.reward: the student is asked for no class that an image could be rewarded for; it needs a "
        "class-conditional teacher");
  }
  Classifier classifier = load_classifier(config.classifier, context.device);
  const ClassifierConfig& c = classifier.config;
  require_fit(context, "the classifier " + config.classifier,
              {c.img_channels, c.img_resolution, c.img_resolution}, c.label_dim);
  return classifier;
}

std::vector<std::string> guidance_warnings(const DistilConfig& config) {
  std::vector<std::string> warnings;
  const bool measured = config.ratio.source == "discriminator" && config.discriminator;
  if (config.teacher_guidance != 1 && config.divergence.name != "reverse_kl" && measured) {
    warnings.emplace_back(c10::str("task.teacher_guidance is ", config.teacher_guidance,
                                   ", but the density ratio is measured against the data, which nobody "
                                   "guides: the weights of divergence ",
                                   config.divergence.name, " belong to another teacher"));
  }
  const auto* fake = std::get_if<FakeNetworkConfig>(&config.fake);
  if (fake != nullptr && fake->guidance != 1 && fake->training_guidance == 1) {
    warnings.emplace_back(
        c10::str("task.fake.guidance is ", fake->guidance,
                 ", but the fake score is trained without (task.fake.training_guidance is 1): "
                 "its prediction without class is never learnt"));
  }
  return warnings;
}

}  // namespace onestep
