// SPDX-License-Identifier: Apache-2.0
// Whole runs whose shards' work is recorded and replayed, by a stand-in for a device's graphs.
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "stand_in_graphs.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;
using test::GraphCounts;

namespace {

/// Two dozen steps in two shards each, and one that is as long as a shard.
const std::string kLong = "images: 392, batch: 16, tick_images: 16";

}  // namespace

TEST_CASE("Every task: replayed graphs have the bits of an eager run, stopped and resumed, too") {
  const TemporaryFolder folder;
  std::vector<Experiment> all = experiments(folder);
  all.push_back({"late_ratio",
                 with(distil(folder / "teacher64/model.safetensors", kDiscriminator), "ratio: {",
                      "ratio: {start_kimg: 0.2, "),
                 halves()});
  for (const Experiment& e : all) {
    INFO(e.name);
    const auto place = [&](const char* kind) { return folder / (e.name + kind); };
    const Finished eager = run(place("_eager"), e.task, kLong, 0, e.data);
    const auto whole = std::make_shared<GraphCounts>(), cut = std::make_shared<GraphCounts>();
    const auto with_graphs = [&](const char* kind, int64_t stop_after, const auto& counts) {
      return run(place(kind), e.task, kLong, stop_after, e.data, at::kCPU, {}, test::stand_in_graphs(counts));
    };
    CHECK(first_difference(with_graphs("_whole", 0, whole), eager) == "");
    CHECK(first_difference(with_graphs("_cut", 13, cut), eager) == "");
    CHECK(lines_of(place("_whole")) == lines_of(place("_eager")));
    const bool on_host = e.name == "multi_step" || e.name == "regression";
    CHECK((whole->recorded > 0) == !on_host);
    if (on_host) continue;
    CHECK(whole->replayed > 20);
    CHECK(cut->recorded > 0);
  }
}

TEST_CASE("Replayed graphs in bfloat16 have the bits of an eager run") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  for (const auto& [name, task] : every_task(teacher)) {
    if (name != "teacher" && name != "f_distill" && name != "sida") continue;
    INFO(name);
    const std::string narrow = kLong + ", precision: bfloat16";
    const auto counts = std::make_shared<GraphCounts>();
    CHECK(first_difference(run(folder / (name + "_graphs"), task, narrow, 0, halves(), at::kCPU, {},
                               test::stand_in_graphs(counts)),
                           run(folder / (name + "_eager"), task, narrow)) == "");
    CHECK(counts->replayed > 20);
  }
}

TEST_CASE("Both kinds of steps and each weight of a ramp are kinds of their own") {
  const TemporaryFolder folder;
  const auto counts = std::make_shared<GraphCounts>();
  const std::string task = distil(
      make_teacher(folder, 64),
      ", updates_per_student: 2" + with(kDiscriminator, "{weight: 0.016}", "{weight: 0.016, ramp_kimg: 10}"));
  run(folder / "ramp", task, "images: 320, batch: 16, micro_batch: 16", 0, halves(), at::kCPU, {},
      test::stand_in_graphs(counts));
  // Of twenty steps ten are the student's, each of another weight; of the others three come first.
  CHECK(counts->recorded == 1);
  CHECK(counts->replayed == 7);
}
