// SPDX-License-Identifier: Apache-2.0
// Whole training runs on the pretended device: they run, with the CPU's bits, and their steps never wait.
#include <ATen/core/Tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "devices/pretend_device.h"
#include "stand_in_graphs.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::test;
using namespace onestep::toys;

namespace {

/// What made the host wait in a task's steps, all but the first, in which some things are made that stay.
std::vector<std::string> waits_of(const std::filesystem::path& dir, const Experiment& e,
                                  int64_t micro_batch) {
  const TrainConfig config =
      config_of(dir, e.task, "images: 1000, batch: 16, micro_batch: " + std::to_string(micro_batch));
  std::filesystem::create_directories(dir);
  const TaskContext context{.run = config.run, .device = pretend_device(), .data = e.data, .provenance = {}};
  Task task = ready_task(config.task, context);
  TickMeans means;
  for (int64_t nimg = 0; nimg <= 64;
       nimg += 16) {  // the last ones have every term, and look at both branches
    means.add(task.step(
        step_of(read_batch(e.data, config.run.seed, nimg, 16, /*flip=*/true), shard_size(config.run))));
    if (nimg == 0) reset_pretend_syncs();
  }
  return pretend_syncs();
}

/// Graphs that write down what a recording on a GPU would stumble over.
kernels::GraphMaker watched_graphs(std::vector<std::string>& found) {
  const auto watched = [&found](const kernels::Work& work) {
    reset_pretend_syncs();
    work();
    for (const auto& lines : {pretend_syncs(), pretend_copies()})
      found.insert(found.end(), lines.begin(), lines.end());
  };
  return {.rehearse = [](const kernels::Work& work) { work(); },
          .capture = [watched](const kernels::Work& work) -> kernels::Work {
            return [watched, work] { watched(work); };
          }};
}

}  // namespace

TEST_CASE("Every task on a device: stopped and resumed, it has the bits of the CPU's unbroken run") {
  const TemporaryFolder folder;
  for (const Experiment& e : experiments(folder)) {
    INFO(e.name);
    const Finished here = run(folder / (e.name + "_cpu"), e.task, kBudget, 0, e.data);
    CHECK(first_difference(
              here, run(folder / (e.name + "_cut"), e.task, kBudget, 3, e.data, pretend_device())) == "");
  }
}

TEST_CASE("Batches for a device lie in pinned memory as the set holds them, and are the same ones") {
  pretend_device();
  for (const bool floats : {false, true}) {
    Dataset data = halves();
    if (floats) data.images = to_float(data.images);
    const Batch there = read_batch(data, 5, 40, 16, /*flip=*/true, /*pinned=*/true),
                here = read_batch(data, 5, 40, 16, /*flip=*/true);
    for (const at::Tensor& tensor : {there.images, there.condition.classes, there.indices})
      CHECK(tensor.is_pinned());
    CHECK_FALSE(here.images.is_pinned());
    CHECK(there.images.scalar_type() == data.images.scalar_type());
    CHECK(there.images.equal(here.images));
    CHECK(there.condition.classes.equal(here.condition.classes));
    CHECK(there.indices.equal(here.indices));
    CHECK(to_device(there, pretend_device()).images.cpu().equal(here.images));
  }
}

TEST_CASE("A device may be named without its number") {
  const TemporaryFolder folder;
  const std::string task = distil(make_teacher(folder, 64), kDiscriminator);
  const at::Device some(at::kPrivateUse1), number = pretend_device();
  CHECK(first_difference(run(folder / "some", task, kBudget, 0, halves(), some),
                         run(folder / "number", task, kBudget, 0, halves(), number)) == "");
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

TEST_CASE("Every task on a device: what is recorded as a graph neither waits for it nor copies to it") {
  const TemporaryFolder folder;
  std::vector<Experiment> all = experiments(folder);
  const auto teacher = [&](const std::string& name, const std::string& more) {
    const std::string augmentable = with(kTeacher, "label_dim: 2", "label_dim: 2, augment_dim: 9");
    all.push_back({name, with(augmentable, "kind: denoise", "kind: denoise, " + more), halves()});
  };
  teacher("augmented", "augmentation: 0.5");
  teacher("timesteps", "sigma: {kind: timestep}");
  for (const Experiment& e : all) {
    std::vector<std::string> found;
    const Finished graphs = run(folder / (e.name + "_graphs"), e.task, "images: 196, batch: 16", 0, e.data,
                                pretend_device(), {}, watched_graphs(found));
    std::string text;
    for (const std::string& line : found) text += line + "\n";
    INFO(e.name << ":\n" << text);
    CHECK(found.empty());
    CHECK(first_difference(graphs, run(folder / (e.name + "_eager"), e.task, "images: 196, batch: 16", 0,
                                       e.data, pretend_device())) == "");
  }
}
