// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "kernels/philox.h"
#include "tasks/train_config.h"
#include "temporary_folder.h"

/// Every task as a run on a few tiny images, in a second or less.
namespace onestep::toys {

inline constexpr const char* kNetwork =
    "{kind: song_unet, img_resolution: 4, img_channels: 4, label_dim: 2, model_channels: 8, channel_mult: "
    "[1, 2], "
    "num_blocks: 1, attn_resolutions: [], dropout: 0.1, label_dropout: 0.2}";

inline const std::string kTeacher =
    std::string("task: {kind: denoise, preconditioning: {space_to_depth: true}, network: ") + kNetwork +
    ", optimizer: {learning_rate: {peak: 5.0e-3}}, ema: {half_life_kimg: 0.1}}";

inline std::string distil(const std::filesystem::path& teacher, const std::string& more) {
  return "task: {kind: distil, teacher: " + teacher.string() +
         ", student: {optimizer: {learning_rate: {peak: 1.0e-3}}, ema: {half_life_kimg: 0.05}}"
         ", fake: {optimizer: {learning_rate: {peak: 2.0e-3}}" +
         more;
}

inline const std::string kCritic =
    "}, ratio: {min_count: 2}, adversarial: {weight: 1}, discriminator: {resolutions: [4, 2], "
    "optimizer: {learning_rate: {peak: 1.0e-3}}}}";

/// The last part of a configuration with one piece of its text replaced.
inline std::string with(std::string text, const std::string& old, const std::string& now) {
  return text.replace(text.find(old), old.size(), now);
}

inline const std::string kClassifier =
    "task: {kind: classify, network: {img_resolution: 8, img_channels: 1, label_dim: 2, channels: [8, 8], "
    "feature_dim: 6}, optimizer: {learning_rate: {peak: 5.0e-3}}}";

/// Two classes of 8×8 images: bright upper or bright lower half, with some noise.
inline Dataset halves() {
  const int64_t n = 48;
  at::Tensor images = (kernels::philox_uniform(1, 0, at::arange(n), {1, 8, 8}, at::kCPU) * 50).to(at::kByte);
  const at::Tensor labels = at::arange(n).remainder(2);
  for (int64_t i = 0; i < n; ++i) images[i].narrow(1, 4 * (i % 2), 4).add_(190);
  return {.name = "halves", .images = images, .labels = labels, .class_names = {"upper", "lower"}};
}

struct Finished {
  NamedTensors state;
  io::TensorFile model;
  std::vector<std::pair<std::string, int64_t>> parameters;
};

/// A configuration of a run in `dir`.
inline TrainConfig config_of(const std::filesystem::path& dir, const std::string& task_yaml,
                             const std::string& run_yaml) {
  const std::string yaml = "run: {dir: " + dir.string() + ", seed: 5, checkpoint_images: 1000, " + run_yaml +
                           "}\n" + task_yaml + "\n";
  return config::read<TrainConfig>(config::parse(yaml, "test"));
}

/// Runs a configuration to its end; `stop_after` > 0 cuts it after so many steps and resumes.
inline Finished run(const std::filesystem::path& dir, const std::string& task_yaml,
                    const std::string& run_yaml, int64_t stop_after = 0, const Dataset& data = halves(),
                    at::Device device = at::kCPU) {
  const TrainConfig config = config_of(dir, task_yaml, run_yaml);
  const TaskContext context{.run = config.run, .device = device, .data = data, .provenance = {}};
  const RunFolder folder = open_run_folder(dir, config::to_yaml(config));
  if (stop_after > 0) {
    Task task = make_task(config.task, context);
    CHECK(run_training(config.run, "test", folder, data, task, [&] { return --stop_after == 0; }) ==
          RunEnd::interrupted);
  }
  Task task = make_task(config.task, context);
  CHECK(run_training(config.run, "test", folder, data, task, [] { return false; }) == RunEnd::finished);
  for (auto& [name, tensor] : task.state) tensor = tensor.cpu();
  return {task.state, io::read_safetensors(folder.model()), task.cost.parameters};
}

inline void check_equal(const Finished& a, const Finished& b) {
  REQUIRE(a.state.size() == b.state.size());
  for (size_t i = 0; i < a.state.size(); ++i) {
    INFO(a.state[i].first);
    CHECK(a.state[i].second.equal(b.state[i].second));
  }
  REQUIRE(a.model.tensors.size() == b.model.tensors.size());
  for (const auto& [name, tensor] : a.model.tensors) {
    INFO(name);
    CHECK(tensor.equal(b.model.at(name)));
  }
}

inline std::filesystem::path make_teacher(const TemporaryFolder& folder, int64_t images) {
  const std::string name = "teacher" + std::to_string(images);
  run(folder / name, kTeacher, "images: " + std::to_string(images) + ", batch: 16");
  return folder / (name + "/model.safetensors");
}

/// Every task and every kind of distillation, by name, from this teacher.
inline std::vector<std::pair<std::string, std::string>> every_task(const std::filesystem::path& teacher) {
  return {
      {"teacher", kTeacher},
      {"classifier", kClassifier},
      {"f_distill", distil(teacher, kCritic)},
      {"two_fake_updates", distil(teacher, ", updates_per_student: 2" + kCritic)},
      {"fake_features", distil(teacher, with(kCritic, "{resolutions", "{features: fake, resolutions"))},
      {"own_features",
       distil(teacher, with(kCritic, "{resolutions", "{features: own, r1: {weight: 0.1}, resolutions"))},
      {"sid",
       distil(teacher,
              "}, divergence: {name: reverse_kl}, compare_images: 32, loss: {kind: expanded, alpha: 1.2}}")},
      {"sida", distil(teacher,
                      "}, divergence: {name: reverse_kl}, loss: {kind: expanded}, discriminator: {features: "
                      "fake, head: pixel_mean, loss: hinge}, adversarial: {scaled: true, start_kimg: 0.03, "
                      "ramp_kimg: 0.05}}")},
      {"uni_instruct", distil(teacher, with(kCritic, "ratio: {",
                                            "loss: {kind: expanded, normalise_weight: true}, ratio: "
                                            "{start_kimg: 0.02, "))},
      {"regression",
       distil(teacher,
              "}, divergence: {name: reverse_kl}, regression: {pairs: 16, sampler: {solver: euler, "
              "steps: 3}}}")},
      {"multi_step", with(distil(teacher, kCritic), "student: {",
                          "student: {generator: {kind: multi_step, sigmas: [3, "
                          "0.5]}, start_kimg: 0.02, ")},
      {"vsd", with(distil(teacher, "}, divergence: {name: reverse_kl}}"), "student: {",
                   "student: {generator: {kind: particles, count: 12, target_class: 1}, ")},
      {"diff_instruct", distil(teacher, "}, divergence: {name: reverse_kl}}")}};
}

}  // namespace onestep::toys
