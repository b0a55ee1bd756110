// SPDX-License-Identifier: Apache-2.0
// The three tasks as whole runs on a few tiny images: resumed bit for bit, split into micro-batches,
// learning.
#include <limits>

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "config/config.h"
#include "kernels/philox.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "tasks/train_config.h"
#include "temporary_folder.h"

using namespace onestep;
using test::relative_error;

namespace {

constexpr const char* kNetwork =
    "{kind: song_unet, img_resolution: 4, img_channels: 4, label_dim: 2, model_channels: 8, channel_mult: "
    "[1, 2], "
    "num_blocks: 1, attn_resolutions: [], dropout: 0.1, label_dropout: 0.2}";

const std::string kTeacher =
    std::string("task: {kind: denoise, preconditioning: {space_to_depth: true}, network: ") + kNetwork +
    ", optimizer: {learning_rate: {peak: 5.0e-3}}, ema: {half_life_kimg: 0.1}}";

std::string distil(const std::filesystem::path& teacher, const std::string& more) {
  return "task: {kind: distil, teacher: " + teacher.string() +
         ", student: {optimizer: {learning_rate: {peak: 1.0e-3}}, ema: {half_life_kimg: 0.05}}"
         ", fake: {optimizer: {learning_rate: {peak: 2.0e-3}}" +
         more;
}

const std::string kCritic =
    "}, ratio: {min_count: 2}, adversarial: {weight: 1}, discriminator: {resolutions: [4, 2], "
    "optimizer: {learning_rate: {peak: 1.0e-3}}}}";

/// The last part of a configuration with one piece of its text replaced.
std::string with(std::string text, const std::string& old, const std::string& now) {
  return text.replace(text.find(old), old.size(), now);
}

const std::string kClassifier =
    "task: {kind: classify, network: {img_resolution: 8, img_channels: 1, label_dim: 2, channels: [8, 8], "
    "feature_dim: 6}, optimizer: {learning_rate: {peak: 5.0e-3}}}";

/// Two classes of 8×8 images: bright upper or bright lower half, with some noise.
Dataset halves() {
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

/// Runs a configuration to its end; `stop_after` > 0 cuts it after so many steps and resumes.
Finished run(const std::filesystem::path& dir, const std::string& task_yaml, const std::string& run_yaml,
             int64_t stop_after = 0, const Dataset& data = halves()) {
  const std::string yaml = "run: {dir: " + dir.string() + ", seed: 5, checkpoint_images: 1000, " + run_yaml +
                           "}\n" + task_yaml + "\n";
  const auto config = config::read<TrainConfig>(config::parse(yaml, "test"));
  const TaskContext context{.run = config.run, .device = at::kCPU, .data = data, .provenance = {}};
  const RunFolder folder = open_run_folder(dir, config::to_yaml(config));
  if (stop_after > 0) {
    Task task = make_task(config.task, context);
    CHECK(run_training(config.run, "test", folder, data, task, [&] { return --stop_after == 0; }) ==
          RunEnd::interrupted);
  }
  Task task = make_task(config.task, context);
  CHECK(run_training(config.run, "test", folder, data, task, [] { return false; }) == RunEnd::finished);
  return {task.state, io::read_safetensors(folder.model()), task.cost.parameters};
}

void check_equal(const Finished& a, const Finished& b) {
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

double largest_difference(const Finished& a, const Finished& b, const std::string& ending) {
  double error = 0;
  for (size_t i = 0; i < a.state.size(); ++i) {
    if (!a.state[i].first.ends_with(ending)) continue;
    error = std::max(error, relative_error(a.state[i].second, b.state[i].second));
  }
  return error;
}

std::filesystem::path make_teacher(const TemporaryFolder& folder, int64_t images) {
  const std::string name = "teacher" + std::to_string(images);
  run(folder / name, kTeacher, "images: " + std::to_string(images) + ", batch: 16");
  return folder / (name + "/model.safetensors");
}

}  // namespace

TEST_CASE("Every task: a stopped and resumed run equals an unbroken one in every tensor") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const std::vector<std::pair<std::string, std::string>> tasks = {
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
              "}, divergence: {name: reverse_kl}, regression: {pairs: 8, sampler: {solver: euler, "
              "steps: 3}}}")},
      {"multi_step", with(distil(teacher, kCritic), "student: {",
                          "student: {generator: {kind: multi_step, sigmas: [3, "
                          "0.5]}, start_kimg: 0.02, ")},
      {"vsd", with(distil(teacher, "}, divergence: {name: reverse_kl}}"), "student: {",
                   "student: {generator: {kind: particles, count: 12, target_class: 1}, ")},
      {"diff_instruct", distil(teacher, "}, divergence: {name: reverse_kl}}")}};
  for (const auto& [name, task] : tasks) {
    INFO(name);
    const std::string budget = "images: 100, batch: 16";
    check_equal(run(folder / (name + "_whole"), task, budget),
                run(folder / (name + "_cut"), task, budget, 3));
  }
}

TEST_CASE("Every task: micro-batches give the same gradients up to rounding") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const std::string expanded = ", loss: {kind: expanded, normalise_weight: true}, ratio: {";
  for (const std::string& task : {kTeacher, kClassifier, distil(teacher, kCritic),
                                  distil(teacher, with(kCritic, ", ratio: {", expanded))}) {
    INFO(task);
    // One step: the first moments are the gradients themselves, whatever the size of the part.
    const Finished whole = run(folder / "whole", task, "images: 16, batch: 16");
    const Finished parts = run(folder / "parts", task, "images: 16, batch: 16, micro_batch: 5");
    CHECK(largest_difference(whole, parts, ".exp_avg") < 2e-4);
    std::filesystem::remove_all(folder / "whole");
    std::filesystem::remove_all(folder / "parts");
  }
}

TEST_CASE("A teacher and its one-step student learn what the classes look like") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 6000);
  run(folder / "student", distil(teacher, kCritic), "images: 3000, batch: 16");

  // How far samples are from their class's mean picture, per pixel.
  const auto error_of = [&](const std::filesystem::path& model, const SamplerConfig& sampler) {
    const Denoiser denoiser = load_denoiser(model, at::kCPU);
    SampleRequest request{.seeds = consecutive_seeds(0, 32)};
    for (int64_t i = 0; i < 32; ++i) request.classes.push_back(i % 2);
    const at::Tensor samples = generate(denoiser, sampler, request, 32).samples;
    at::Tensor target = -at::ones({32, 1, 8, 8}) + 2 * 25.0 / 255;
    for (int64_t i = 0; i < 32; ++i) target[i].narrow(1, 4 * (i % 2), 4).add_(2 * 190.0 / 255);
    return (samples - target).abs().mean().item<double>();
  };
  const SamplerConfig once{.solver = "one_step", .sigma_max = 2.5};
  const double at_start = error_of(make_teacher(folder, 16), once);
  const double teacher_once = error_of(teacher, once);
  const double student = error_of(folder / "student/model.safetensors", once);
  INFO("untrained " << at_start << ", teacher in one step " << teacher_once << ", student " << student);
  CHECK(teacher_once < 0.5 * at_start);
  CHECK(student < 0.7 * teacher_once);
}

TEST_CASE("A classifier learns the classes and fixes the unit of its features") {
  const TemporaryFolder folder;
  run(folder / "run", kClassifier, "images: 2000, batch: 16");
  const Classifier classifier = load_classifier(folder / "run/model.safetensors", at::kCPU);
  const Dataset data = halves();
  CHECK(accuracy(classifier, data, at::kCPU) == 1);
  const c10::NoGradGuard no_grad;
  const at::Tensor features = classify(classifier, to_float(data.images)).features.to(at::kDouble);
  CHECK(features.var(0, /*unbiased=*/false).sum().item<double>() == Approx(6).epsilon(1e-4));
}

TEST_CASE("Data without classes trains unconditional networks, and no others") {
  const TemporaryFolder folder;
  Dataset data = halves();
  data.class_names.clear();
  data.labels.zero_();
  const std::string budget = "images: 100, batch: 16";
  const std::string unconditional = with(kTeacher, "label_dim: 2, ", "");
  // Labels that a network is not told make no difference.
  check_equal(run(folder / "teacher", unconditional, budget, 3, data),
              run(folder / "labelled", unconditional, budget));
  const std::string teacher = folder / "teacher/model.safetensors";
  check_equal(run(folder / "student", distil(teacher, kCritic), budget, 3, data),
              run(folder / "other", distil(teacher, kCritic), budget));
  const std::string refused = "has 2 classes (label_dim), but the data has 0";
  CHECK_THROWS_WITH(run(folder / "conditional", kTeacher, budget, 0, data), Catch::Contains(refused));
  CHECK_THROWS_WITH(run(folder / "classifier", kClassifier, budget, 0, data), Catch::Contains(refused));
}

TEST_CASE("Tasks that can't be done are refused before any work") {
  const TemporaryFolder folder;
  int attempts = 0;
  const auto attempt = [&](const std::string& task) {
    run(folder / ("run" + std::to_string(++attempts)), task, "images: 16, batch: 16");
  };
  CHECK_THROWS_AS(attempt(distil(folder / "nothing.safetensors", kCritic)), io::FileError);
  const auto teacher = make_teacher(folder, 16);
  CHECK_THROWS_WITH(attempt(distil(teacher, with(kCritic, "[4, 2]", "[5]"))),
                    Catch::Contains("no resolution 5"));
  CHECK_THROWS_WITH(
      attempt("task: {kind: denoise, network: {kind: song_unet, img_resolution: 8, img_channels: 3, "
              "model_channels: 8, channel_mult: [1], attn_resolutions: []}}"),
      Catch::Contains("3x8x8") && Catch::Contains("1x8x8"));
  CHECK_THROWS_WITH(
      attempt("task: {kind: denoise, network: {kind: song_unet, img_resolution: 8, img_channels: 1, "
              "label_dim: 7, model_channels: 8, channel_mult: [1], attn_resolutions: []}}"),
      Catch::Contains("7 classes"));
}
