// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "io/jsonl.h"
#include "kernels/philox.h"
#include "parallel/together.h"
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

inline const std::string kDiscriminator =
    "}, ratio: {min_count: 2}, adversarial: {weight: 0.016}, discriminator: {taps: [4x4, 2x2], "
    "optimizer: {learning_rate: {peak: 1.0e-3}}}}";

/// The last part of a configuration with one piece of its text replaced.
inline std::string with(std::string text, const std::string& old, const std::string& now) {
  return text.replace(text.find(old), old.size(), now);
}

inline const std::string kClassifier =
    "task: {kind: classify, network: {img_resolution: 8, img_channels: 1, label_dim: 2, channels: [8, 8], "
    "feature_dim: 6}, optimizer: {learning_rate: {peak: 5.0e-3}}}";

inline const std::string kAutoencoder =
    "task: {kind: autoencode, network: {kind: kl, in_channels: 1, out_channels: 1, latent_channels: 2, "
    "block_out_channels: [8, 8], layers_per_block: 1, norm_num_groups: 4}, optimizer: {learning_rate: {peak: "
    "5.0e-3}}, ema: {half_life_kimg: 0.1}}";

/// The same with a discriminator that sets in on the way.
inline const std::string kOpposedAutoencoder =
    with(kAutoencoder, "kind: autoencode",
         "kind: autoencode, adversarial: {weight: 0.1, start_kimg: 0.03, channels: 16, levels: 2}");

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

inline const std::string kBudget = "images: 100, batch: 16";

/// A configuration of a run in `dir`; its seed is 5 and it makes no checkpoint on its way
/// unless `run_yaml` says so.
inline TrainConfig config_of(const std::filesystem::path& dir, const std::string& task_yaml,
                             const std::string& run_yaml) {
  const auto unless_given = [&](const std::string& key, const std::string& value) {
    return run_yaml.find(key + ":") == std::string::npos ? ", " + key + ": " + value : "";
  };
  const std::string yaml = "run: {dir: " + dir.string() + unless_given("seed", "5") +
                           unless_given("checkpoint_images", "1000") + ", " + run_yaml + "}\n" + task_yaml +
                           "\n";
  return config::read<TrainConfig>(config::parse(yaml, "test"));
}

/// A task that can be taken step by step at once.
inline Task ready_task(const TaskConfig& config, const TaskContext& context) {
  Task task = make_task(config, context);
  if (task.prepare) task.prepare([] { return false; });
  return task;
}

/// Trains a task in the folder of its configuration.
inline RunEnd train(
    const TrainConfig& config, Task& task, const Dataset& data,
    const std::function<bool()>& stop = [] { return false; }, const Communicator& ranks = {}) {
  std::optional<Run> run;
  together(ranks, [&] {
    if (ranks.rank == 0)
      run.emplace(open_run(config.run.dir, {.configuration = config::encode(config),
                                            .sources = sources_of(config.task),
                                            .budget_problem = budget_problem(config)}));
  });
  return run_training(config.run, "test", run ? &*run : nullptr, data, task, stop, {}, ranks);
}

/// Runs a configuration to its end; `stop_after` > 0 cuts it after so many steps and resumes.
inline Finished run(const std::filesystem::path& dir, const std::string& task_yaml,
                    const std::string& run_yaml, int64_t stop_after = 0, const Dataset& data = halves(),
                    at::Device device = at::kCPU, const Workers& workers = {},
                    const kernels::GraphMaker& graphs = {}) {
  const TrainConfig config = config_of(dir, task_yaml, run_yaml);
  const TaskContext context{.run = config.run,
                            .device = device,
                            .data = data,
                            .provenance = {},
                            .workers = workers,
                            .graphs = graphs};
  if (stop_after > 0) {
    Task task = make_task(config.task, context);
    const RunEnd end = train(config, task, data, [&] { return --stop_after == 0; });
    TORCH_CHECK(end == RunEnd::interrupted, "the run ended before it was stopped");
  }
  Task task = make_task(config.task, context);
  const RunEnd end = train(config, task, data);
  TORCH_CHECK(end == RunEnd::finished, "the run did not end");
  for (auto& [name, tensor] : task.state) tensor = tensor.cpu();
  return {task.state, io::read_safetensors(RunFolder{dir}.model()), task.cost.parameters};
}

/// Likewise by several ranks, in each of their processes.
inline void run_ranks(const std::filesystem::path& dir, const std::string& task_yaml,
                      const std::string& run_yaml, const Communicator& ranks, int64_t stop_after = 0,
                      const Dataset& data = halves(), const Workers& workers = {}) {
  const TrainConfig config = config_of(dir, task_yaml, run_yaml);
  Task task = make_task(config.task, {.run = config.run,
                                      .device = at::kCPU,
                                      .data = data,
                                      .provenance = {},
                                      .workers = workers,
                                      .ranks = ranks});
  const auto stop = [&] { return stop_after > 0 && --stop_after == 0; };
  const bool cut = stop_after > 0;
  const RunEnd end = train(config, task, data, stop, ranks);
  TORCH_CHECK(end == (cut ? RunEnd::interrupted : RunEnd::finished), "the run ended otherwise");
}

/// The first tensor of state or model in which two runs differ; "" where their bits are the same.
inline std::string first_difference(const Finished& a, const Finished& b) {
  if (a.state.size() != b.state.size() || a.model.tensors.size() != b.model.tensors.size())
    return "the number of tensors";
  for (size_t i = 0; i < a.state.size(); ++i)
    if (!a.state[i].second.equal(b.state[i].second)) return a.state[i].first;
  for (const auto& [name, tensor] : a.model.tensors)
    if (!tensor.equal(b.model.at(name))) return "model: " + name;
  return "";
}

/// The lines of a run's log without what a clock says.
inline std::vector<std::string> lines_of(const std::filesystem::path& run) {
  std::vector<std::string> lines;
  for (nlohmann::ordered_json line : io::read_jsonl(RunFolder{run}.log())) {
    for (const char* name : {"images_per_sec", "tflop_per_sec"}) line.erase(name);
    lines.push_back(line.dump());
  }
  return lines;
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
      {"autoencoder", kAutoencoder},
      {"opposed_autoencoder", kOpposedAutoencoder},
      {"f_distill", distil(teacher, kDiscriminator)},
      {"two_fake_updates", distil(teacher, ", updates_per_student: 2" + kDiscriminator)},
      {"in_turns", distil(teacher,
                          ", updates_per_student: 2, in_students_step: false, reduction: mean, sigma: {kind: "
                          "karras, levels: 100, from: 0.1, to: 0.7}" +
                              kDiscriminator)},
      {"fake_features", distil(teacher, with(kDiscriminator, "{taps", "{features: fake, taps"))},
      {"own_features",
       distil(teacher, with(kDiscriminator, "{taps", "{features: own, r1: {weight: 0.1}, taps"))},
      {"sid",
       distil(teacher,
              "}, divergence: {name: reverse_kl}, compare_every: 2, loss: {kind: expanded, alpha: 1.2}}")},
      {"sida", distil(teacher,
                      ", dropout: 0.2}, divergence: {name: reverse_kl}, loss: {kind: expanded}, "
                      "discriminator: {features: "
                      "fake, head: pixel_mean, taps: deepest, loss: hinge}, adversarial: {scaled: "
                      "true, start_kimg: 0.03, "
                      "ramp_kimg: 0.05}}")},
      {"uni_instruct", distil(teacher, with(kDiscriminator, "ratio: {",
                                            "loss: {kind: expanded, normalise_weight: true}, ratio: "
                                            "{start_kimg: 0.02, "))},
      {"regression",
       distil(teacher,
              "}, divergence: {name: reverse_kl}, regression: {pairs: 16, sampler: {solver: euler, "
              "steps: 3}}}")},
      {"multi_step", with(distil(teacher, kDiscriminator), "student: {",
                          "student: {generator: {kind: multi_step, sigmas: [3, "
                          "0.5]}, start_kimg: 0.02, ")},
      {"vsd", with(distil(teacher, "}, divergence: {name: reverse_kl}}"), "student: {",
                   "student: {generator: {kind: particles, count: 12, target_class: 1}, ")},
      {"diff_instruct", distil(teacher, "}, divergence: {name: reverse_kl}}")}};
}

struct Experiment {
  std::string name, task;
  Dataset data;
};

inline Dataset mixture(const std::vector<std::vector<double>>& means) {
  return load_dataset(MixtureConfig{.weights = {1, 2}, .means = means, .stds = {{0.3}, {0.5}}, .count = 48});
}

/// The teacher and the classifier that the experiments in a folder are made from.
inline void train_teachers(const TemporaryFolder& folder) {
  make_teacher(folder, 64);
  run(folder / "judge", kClassifier, "images: 64, batch: 16");
}

/// Every task on images, and those that know the data's density on points; of teachers that are there.
inline std::vector<Experiment> experiments_with_teachers(const TemporaryFolder& folder) {
  const std::filesystem::path teacher = folder / "teacher64/model.safetensors";
  const auto cloud = [&](const std::string& generator, const std::string& more) {
    return "task: {kind: distil, teacher: " + teacher.string() +
           ", divergence: {name: reverse_kl}, student: " + "{generator: {kind: particles, count: 12, " +
           generator + "}}, fake: " + more + "}";
  };
  std::vector<std::pair<std::string, std::string>> tasks = every_task(teacher);
  tasks.emplace_back("reward", distil(teacher,
                                      "}, divergence: {name: reverse_kl}, reward: {weight: 1, "
                                      "classifier: " +
                                          (folder / "judge/model.safetensors").string() + "}}"));
  tasks.emplace_back("guided",
                     with(distil(teacher, kDiscriminator), "student: {", "teacher_guidance: 2, student: {"));
  tasks.emplace_back("red_diff", cloud("start: noise",
                                       "{kind: point}, fidelity: {weight: 1, noise_std: 0.1, "
                                       "measurement: {kind: mask, shape: random}}"));
  tasks.emplace_back("deblur", cloud("start: noise",
                                     "{kind: point}, fidelity: {weight: 1, noise_std: 0.1, "
                                     "measurement: {kind: blur, std: 0.5}}"));
  tasks.emplace_back("dds", cloud("start: data, target_class: 1", "{kind: reference, guidance: 3}"));
  std::vector<Experiment> all;
  for (const auto& [name, task] : tasks) all.push_back({name, task, halves()});

  const std::string known =
      "task: {kind: distil, divergence: {name: jensen_shannon}, ratio: {source: exact}, "
      "fake: {kind: exact}, student: {generator: ";
  const std::string network = "network: {kind: mlp, dim: 2, width: 16, depth: 2}";
  const Dataset line = mixture({{-1.5}, {1.5}}), plane = mixture({{-1, 0}, {1, 0.5}});
  all.push_back({"gaussian", known + "{kind: gaussian, mean: 0.5, std: 0.5}}}", line});
  all.push_back({"particles", known + "{kind: particles, count: 16}}}", plane});
  all.push_back({"ring",
                 "task: {kind: distil, network: {" + network + "}, divergence: {name: jensen_shannon}, " +
                     "ratio: {min_count: 2}, discriminator: {features: own}}",
                 plane});
  all.push_back({"points", "task: {kind: denoise, " + network + "}", plane});
  return all;
}

inline std::vector<Experiment> experiments(const TemporaryFolder& folder) {
  train_teachers(folder);
  return experiments_with_teachers(folder);
}

}  // namespace onestep::toys
