// SPDX-License-Identifier: Apache-2.0
// Whole training runs on the pretended device: they run, with the CPU's bits, and their steps never wait.
#include <ATen/core/Tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "devices/pretend_device.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::test;
using namespace onestep::toys;

namespace {

const std::string kBudget = "images: 100, batch: 16";

struct Experiment {
  std::string name, task;
  Dataset data;
};

Dataset mixture(const std::vector<std::vector<double>>& means) {
  return load_dataset(MixtureConfig{.weights = {1, 2}, .means = means, .stds = {{0.3}, {0.5}}, .count = 48});
}

/// Every task on images, and those that know the data's density on points.
std::vector<Experiment> experiments(const TemporaryFolder& folder) {
  const auto teacher = make_teacher(folder, 64);
  run(folder / "judge", kClassifier, "images: 64, batch: 16");
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
                     with(distil(teacher, kCritic), "student: {", "teacher_guidance: 2, student: {"));
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

/// What made the host wait in a task's steps, all but the first, in which some things are made that stay.
std::vector<std::string> waits_of(const std::filesystem::path& dir, const Experiment& e,
                                  int64_t micro_batch) {
  const TrainConfig config =
      config_of(dir, e.task, "images: 1000, batch: 16, micro_batch: " + std::to_string(micro_batch));
  std::filesystem::create_directories(dir);
  const TaskContext context{.run = config.run, .device = pretend_device(), .data = e.data, .provenance = {}};
  Task task = make_task(config.task, context);
  TickMeans means;
  for (int64_t nimg = 0; nimg <= 64;
       nimg += 16) {  // the last ones have every term, and look at both branches
    means.add(task.step(read_batch(e.data, config.run.seed, nimg, 16, /*flip=*/true)));
    if (nimg == 0) reset_pretend_syncs();
  }
  return pretend_syncs();
}

}  // namespace

TEST_CASE("Every task on a device: stopped and resumed, it has the bits of the CPU's unbroken run") {
  const TemporaryFolder folder;
  for (const Experiment& e : experiments(folder)) {
    INFO(e.name);
    const Finished here = run(folder / (e.name + "_cpu"), e.task, kBudget, 0, e.data);
    check_equal(here, run(folder / (e.name + "_cut"), e.task, kBudget, 3, e.data, pretend_device()));
  }
}

TEST_CASE("A device may be named without its number") {
  const TemporaryFolder folder;
  const std::string task = distil(make_teacher(folder, 64), kCritic);
  const at::Device some(at::kPrivateUse1), number = pretend_device();
  check_equal(run(folder / "some", task, kBudget, 0, halves(), some),
              run(folder / "number", task, kBudget, 0, halves(), number));
}

TEST_CASE("Every task on a device: no step waits for it") {
  const TemporaryFolder folder;
  for (const Experiment& e : experiments(folder)) {
    for (const int64_t micro_batch : {0, 5}) {
      const auto waits = waits_of(folder / (e.name + std::to_string(micro_batch)), e, micro_batch);
      std::string text;
      for (const std::string& line : waits) text += line + "\n";
      INFO(e.name << ", micro_batch " << micro_batch << ":\n" << text);
      CHECK(waits.empty());
    }
  }
}
