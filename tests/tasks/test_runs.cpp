// SPDX-License-Identifier: Apache-2.0
// The three tasks as whole runs on a few tiny images: resumed bit for bit, split into micro-batches,
// learning.
#include <limits>

#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "io/folder.h"
#include "learning.h"
#include "on_devices.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;
using test::relative_error;

namespace {

double largest_difference(const Finished& a, const Finished& b, const std::string& ending) {
  double error = 0;
  for (size_t i = 0; i < a.state.size(); ++i) {
    if (!a.state[i].first.ends_with(ending)) continue;
    error = std::max(error, relative_error(a.state[i].second, b.state[i].second));
  }
  return error;
}

}  // namespace

/// On the pretended device: tests/devices/test_pretend_runs.cpp.
void check_resuming(at::Device device) {
  const TemporaryFolder folder;
  for (const Experiment& e : experiments(folder)) {
    INFO(e.name);
    CHECK(first_difference(run(folder / (e.name + "_whole"), e.task, kBudget, 0, e.data, device),
                           run(folder / (e.name + "_cut"), e.task, kBudget, 3, e.data, device)) == "");
  }
}

TEST_CASE("Every task: a stopped and resumed run equals an unbroken one in every tensor") {
  check_resuming(at::kCPU);
}

TEST_CASE("Every task on CUDA: a stopped and resumed run equals an unbroken one in every tensor", "[gpu]") {
  if (cuda_ready()) check_resuming(at::kCUDA);
}

TEST_CASE("Every task: model, state and log have the same bits for every number of workers") {
  const TemporaryFolder folder;
  // Six shards a step, the last one shorter, and in the last step two.
  const std::string budget = "images: 100, batch: 16, micro_batch: 3, tick_images: 16";
  for (const Experiment& e : experiments(folder)) {
    INFO(e.name);
    const auto with = [&](const std::string& name, const Workers& workers, int64_t stop_after = 0) {
      return run(folder / (e.name + name), e.task, budget, stop_after, e.data, at::kCPU, workers);
    };
    const Finished one = with("_one", Workers(1));
    CHECK(first_difference(with("_two", Workers(2)), one) == "");
    CHECK(first_difference(with("_five", Workers(5), /*stop_after=*/3), one) == "");
    CHECK(lines_of(folder / (e.name + "_two")) == lines_of(folder / (e.name + "_one")));
    CHECK_FALSE(lines_of(folder / (e.name + "_one")).empty());
  }
}

TEST_CASE("Several averages are kept at once: the first is the model, the others have files of their own") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const std::string list = "ema: [{half_life_kimg: 0.1}, {kind: power, std: 0.1}]";
  const std::vector<std::pair<std::string, std::string>> tasks{
      {with(kTeacher, "ema: {half_life_kimg: 0.1}", list), kTeacher},
      {with(distil(teacher, kDiscriminator), "ema: {half_life_kimg: 0.05}",
            "ema: [{half_life_kimg: 0.05}, {kind: power, std: 0.1}]"),
       distil(teacher, kDiscriminator)}};
  for (size_t i = 0; i < tasks.size(); ++i) {
    const auto& [several, one] = tasks[i];
    const std::filesystem::path all = folder / ("all" + std::to_string(i));
    const Finished whole = run(all, several, kBudget);
    CHECK(first_difference(run(folder / ("cut" + std::to_string(i)), several, kBudget, 3), whole) == "");
    const Finished single = run(folder / ("one" + std::to_string(i)), one, kBudget);
    for (const auto& [name, tensor] : single.model.tensors) CHECK(tensor.equal(whole.model.at(name)));
    const io::TensorFile power = io::read_safetensors(all / "ema/power_0.1.safetensors");
    CHECK(power.metadata.at(kNimgKey) == "100");
    CHECK(network_of(load_denoiser(all / "ema/power_0.1.safetensors", at::kCPU))
              ->preconditioning.config.sigma_data > 0);
    double difference = 0;
    for (const auto& [name, tensor] : power.tensors)
      difference += (tensor - whole.model.at(name)).abs().sum().item<double>();
    CHECK(difference > 0);
    CHECK_FALSE(std::filesystem::exists(folder / ("one" + std::to_string(i)) / "ema"));
  }
}

TEST_CASE("Recomputed blocks, and event files, change no bit of a run") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const std::string expanded = with(kDiscriminator, ", ratio: {", ", loss: {kind: expanded}, ratio: {");
  const std::vector<std::pair<std::string, std::string>> tasks{
      {with(kTeacher, "dropout: 0.1", "dropout: 0.1, recompute: blocks"), kTeacher},
      {with(distil(teacher, expanded), "kind: distil", "kind: distil, recompute: blocks"),
       distil(teacher, expanded)}};
  for (size_t i = 0; i < tasks.size(); ++i) {
    const Finished kept = run(folder / ("kept" + std::to_string(i)), tasks[i].second, kBudget);
    const std::filesystem::path dir = folder / ("again" + std::to_string(i));
    const Finished again = run(dir, tasks[i].first, kBudget + ", tensorboard: true", 3);
    CHECK(first_difference(again, kept) == "");
    CHECK(io::entries_of(dir / "tensorboard").size() == 2);  // it was resumed
  }
  CHECK_THROWS_WITH(
      run(folder / "mlp", "task: {kind: denoise, network: {kind: mlp, dim: 2, recompute: blocks}}", kBudget),
      Catch::Contains("recompute"));
}

TEST_CASE("Every task: micro-batches give the same gradients up to rounding") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const std::string expanded = ", loss: {kind: expanded, normalise_weight: true}, ratio: {";
  for (const std::string& task : {kTeacher, kClassifier, distil(teacher, kDiscriminator),
                                  distil(teacher, with(kDiscriminator, ", ratio: {", expanded))}) {
    INFO(task);
    // One step: the first moments are the gradients themselves, whatever the size of the part.
    const Finished whole = run(folder / "whole", task, "images: 16, batch: 16");
    const Finished parts = run(folder / "parts", task, "images: 16, batch: 16, micro_batch: 5");
    CHECK(largest_difference(whole, parts, ".exp_avg") < 2e-4);
    std::filesystem::remove_all(folder / "whole");
    std::filesystem::remove_all(folder / "parts");
  }
}

/// What 64 images without classes look like: the mean distance, per pixel, to the nearer of the two kinds'
/// mean picture, and the share of the first kind. Data has 0.1 and a half; their blend, which no image looks
/// like, 0.75.
struct Look {
  double error, share;
};

Look look_of(const std::filesystem::path& model, const SamplerConfig& sampler) {
  const at::Tensor samples =
      generate(load_denoiser(model, at::kCPU), sampler, consecutive_seeds(0, 64), {}, 64).samples;
  at::Tensor kinds = -at::ones({2, 1, 8, 8}) + 2 * 25.0 / 255;
  for (int64_t i = 0; i < 2; ++i) kinds[i].narrow(1, 4 * i, 4).add_(2 * 190.0 / 255);
  const at::Tensor gaps = (samples.unsqueeze(1) - kinds.unsqueeze(0)).abs().flatten(2).mean(2);
  return {gaps.amin(1).mean().item<double>(), (gaps.argmin(1) == 0).to(at::kFloat).mean().item<double>()};
}

// At the student's noise level an image of either kind may lie below the noise, so that the teacher's one
// call gives a blend of both. The student has to take one or the other for each latent, and both among all.
// Over 20 seeds the teacher has 0.40 to 0.53, the student 0.09 to 0.16 and a share of 0.20 to 0.78.
TEST_CASE("A one-step student makes images of either kind where its teacher's one call blends them",
          "[learning]") {
  const TemporaryFolder folder;
  Dataset data = halves();
  data.class_names.clear();
  data.labels.zero_();
  const std::string seed = ", seed: " + std::to_string(5 + learning_seed());
  const auto adam = [](const char* rate) {
    return std::string("optimizer: {learning_rate: {peak: ") + rate +
           ", decay: linear, final_ratio: 0.1}, beta1: 0, beta2: 0.99}";
  };
  // Noise levels up to the student's and beyond: a teacher is no teacher where it was not trained.
  run(folder / "teacher",
      "task: {kind: denoise, preconditioning: {space_to_depth: true, sigma_data: 0.8}, network: {kind: "
      "song_unet, "
      "img_resolution: 4, img_channels: 4, model_channels: 8, channel_mult: [1, 2], num_blocks: 1, "
      "attn_resolutions: "
      "[], dropout: 0}, sigma: {kind: lognormal, mean: 0.5, std: 1.4}, optimizer: {learning_rate: {peak: "
      "1.0e-2, "
      "decay: linear}, beta2: 0.99}, ema: {half_life_kimg: 0.1}}",
      "images: 8000, batch: 16" + seed, 0, data);
  run(folder / "student",
      "task: {kind: distil, teacher: " + (folder / "teacher/model.safetensors").string() +
          ", student: {generator: {kind: one_step, sigma_init: 10}, " + adam("2.0e-3") +
          ", ema: {half_life_kimg: 0.1}}, fake: {" + adam("4.0e-3") +
          "}, ratio: {min_count: 16}, adversarial: {weight: 0.016}, discriminator: {taps: [4x4, 2x2], " +
          adam("2.0e-3") + "}}",
      "images: 3000, batch: 16" + seed, 0, data);
  const SamplerConfig once{.solver = "one_step", .sigma_max = 10};
  const Look teacher = look_of(folder / "teacher/model.safetensors", once),
             student = look_of(folder / "student/model.safetensors", once);
  INFO("teacher in one step " << teacher.error << ", student " << student.error << ", share "
                              << student.share);
  CHECK(teacher.error > 0.35);
  CHECK(student.error < 0.6 * teacher.error);
  CHECK(student.share == Approx(0.5).margin(0.45));
}

TEST_CASE("A classifier learns the classes and fixes the unit of its features", "[learning]") {
  const TemporaryFolder folder;
  run(folder / "run", kClassifier, "images: 2000, batch: 16, seed: " + std::to_string(5 + learning_seed()));
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
  const std::string unconditional = with(kTeacher, "label_dim: 2, ", "");
  // Labels that a network is not told make no difference.
  CHECK(first_difference(run(folder / "teacher", unconditional, kBudget, 3, data),
                         run(folder / "labelled", unconditional, kBudget)) == "");
  const std::string teacher = folder / "teacher/model.safetensors";
  CHECK(first_difference(run(folder / "student", distil(teacher, kDiscriminator), kBudget, 3, data),
                         run(folder / "other", distil(teacher, kDiscriminator), kBudget)) == "");
  const std::string refused = "has 2 classes (label_dim), but the data has 0";
  CHECK_THROWS_WITH(run(folder / "conditional", kTeacher, kBudget, 0, data), Catch::Contains(refused));
  CHECK_THROWS_WITH(run(folder / "classifier", kClassifier, kBudget, 0, data), Catch::Contains(refused));
}

TEST_CASE("Tasks that can't be done are refused before any work") {
  const TemporaryFolder folder;
  int attempts = 0;
  const auto attempt = [&](const std::string& task) {
    run(folder / ("run" + std::to_string(++attempts)), task, "images: 16, batch: 16");
  };
  CHECK_THROWS_AS(attempt(distil(folder / "nothing.safetensors", kDiscriminator)), io::FileError);
  const auto teacher = make_teacher(folder, 16);
  CHECK_THROWS_WITH(attempt(distil(teacher, with(kDiscriminator, "[4x4, 2x2]", "[5x5]"))),
                    Catch::Contains("no tap '5x5'"));
  CHECK_THROWS_WITH(
      attempt("task: {kind: denoise, network: {kind: song_unet, img_resolution: 8, img_channels: 3, "
              "model_channels: 8, channel_mult: [1], attn_resolutions: []}}"),
      Catch::Contains("3x8x8") && Catch::Contains("1x8x8"));
  CHECK_THROWS_WITH(
      attempt("task: {kind: denoise, network: {kind: song_unet, img_resolution: 8, img_channels: 1, "
              "label_dim: 7, model_channels: 8, channel_mult: [1], attn_resolutions: []}}"),
      Catch::Contains("7 classes"));
}
