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
