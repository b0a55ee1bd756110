// SPDX-License-Identifier: Apache-2.0
// The three tasks as whole runs on a few tiny images: resumed bit for bit, split into micro-batches,
// learning.
#include <limits>

#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "closeness.h"
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

TEST_CASE("Every task: a stopped and resumed run equals an unbroken one in every tensor") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  for (const auto& [name, task] : every_task(teacher)) {
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
