// SPDX-License-Identifier: Apache-2.0
// run.precision: bfloat16 in whole runs.
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "io/folder.h"
#include "io/jsonl.h"
#include "learning.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

/// The mean of a number over the last lines of a run's log.
double last_mean(const std::filesystem::path& run, const std::string& name, size_t lines) {
  const auto log = io::read_jsonl(RunFolder{run}.log());
  double sum = 0;
  for (size_t i = log.size() - lines; i < log.size(); ++i) sum += log[i].at(name).get<double>();
  return sum / static_cast<double>(lines);
}

}  // namespace

TEST_CASE(
    "Every task in bfloat16: the same bits when stopped, resumed and shared, and no state but float32") {
  const TemporaryFolder folder;
  const std::string wide = "images: 100, batch: 16, micro_batch: 3", narrow = wide + ", precision: bfloat16";
  for (const Experiment& e : experiments(folder)) {
    INFO(e.name);
    const Finished whole = run(folder / (e.name + "_whole"), e.task, narrow, 0, e.data);
    CHECK(first_difference(run(folder / (e.name + "_cut"), e.task, narrow, 3, e.data, at::kCPU, Workers(2)),
                           whole) == "");
    for (const auto& [name, tensor] : whole.state) {
      INFO(name);
      CHECK((tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble));
      CHECK(tensor.isfinite().all().item<bool>());
    }
    const bool has_network = e.name != "gaussian" && e.name != "particles";
    CHECK((first_difference(run(folder / (e.name + "_wide"), e.task, wide, 0, e.data), whole) != "") ==
          has_network);
  }
}

// Two trajectories of one noise: over six seeds the ratio of their losses at the end is 0.88 to 1.08.
TEST_CASE("A teacher learns in bfloat16 what it learns in float32", "[learning]") {
  const TemporaryFolder folder;
  const std::string budget =
      "images: 6000, batch: 16, tick_images: 200, seed: " + std::to_string(5 + learning_seed());
  run(folder / "wide", kTeacher, budget);
  run(folder / "narrow", kTeacher, budget + ", precision: bfloat16");
  const double wide = last_mean(folder / "wide", "loss", 10),
               narrow = last_mean(folder / "narrow", "loss", 10);
  INFO("float32 " << wide << ", bfloat16 " << narrow);
  CHECK(narrow == Approx(wide).epsilon(0.3));
  CHECK(narrow < 0.7 * io::read_jsonl(RunFolder{folder / "narrow"}.log()).front().at("loss").get<double>());
}

TEST_CASE("The weights that a bfloat16 run gives are float32, and those of a step beyond bfloat16") {
  const TemporaryFolder folder;
  const Finished done = run(folder / "run", kTeacher, kBudget + ", precision: bfloat16");
  bool beyond = false;
  for (const auto& [name, tensor] : done.model.tensors) {
    CHECK(tensor.scalar_type() == at::kFloat);
    beyond |= !tensor.to(at::kBFloat16).to(at::kFloat).equal(tensor);
  }
  CHECK(beyond);
}

TEST_CASE("A run in bfloat16 is planned with less memory, and a precision that is not resolved is refused") {
  const Dataset data = halves();
  const auto bytes = [&](const std::string& precision) {
    const TrainConfig config =
        config_of("unused", kTeacher, "images: 64, batch: 64, micro_batch: 64, precision: " + precision);
    return make_task(config.task, {.run = config.run, .device = at::kMeta, .data = data, .provenance = {}})
        .cost.bytes;
  };
  CHECK(bytes("bfloat16") < 0.8 * bytes("float32"));
  CHECK(bytes("tf32") == bytes("float32"));
  CHECK_THROWS_AS(bytes("auto"), c10::Error);
  CHECK_THROWS_WITH(bytes("float16"), Catch::Contains("precision"));
}
