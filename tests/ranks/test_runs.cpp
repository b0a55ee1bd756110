// SPDX-License-Identifier: Apache-2.0
// The same bits for every number of ranks: model, checkpoint and log of whole runs. All training is done in
// forks, that of one rank, too.
#include <csignal>

#include <c10/util/Logging.h>  // before Catch: both have a CHECK
#include <catch2/catch.hpp>

#include "forked_ranks.h"
#include "io/file.h"
#include "io/jsonl.h"
#include "io/numerical_error.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::test;
using namespace onestep::toys;

namespace {

namespace fs = std::filesystem;

/// Six shards of 3 a step, the last one shorter; in the last step two, which more ranks do not share.
const std::string kShards = "images: 100, batch: 16, micro_batch: 3, tick_images: 16, checkpoint_images: 48";

/// Eight shards, the last one shorter; in the last step five, which two ranks share and four do not.
const std::string kEight = "images: 100, batch: 15, micro_batch: 2, tick_images: 15, checkpoint_images: 45";

/// The first file in which two runs differ: a checkpoint, the model, or the log without what a clock says.
std::string differing_file(const fs::path& a, const fs::path& b) {
  for (const auto& entry : fs::recursive_directory_iterator(a)) {
    const fs::path name = entry.path().lexically_relative(a);
    if (entry.path().extension() == ".safetensors" && io::read_file(entry.path()) != io::read_file(b / name))
      return name.string();
  }
  const auto lines = [](const fs::path& run) {
    std::vector<std::string> all;
    for (nlohmann::ordered_json line : io::read_jsonl(RunFolder{run}.log())) {
      for (const char* name : {"images_per_sec", "tflop_per_sec", "communication_share"}) line.erase(name);
      all.push_back(line.dump());
    }
    return all;
  };
  return lines(a) == lines(b) && !lines(a).empty() ? "" : "log.jsonl";
}

void in_a_fork(const std::function<void()>& work) {
  const std::vector<int> ends = forked_ranks(1, [&](const Communicator&) { work(); });
  REQUIRE(ends.front() == kWell);
}

}  // namespace

TEST_CASE("Every task: model, checkpoints and log have the same bytes for every number of ranks") {
  const TemporaryFolder folder;
  in_a_fork([&] { train_teachers(folder); });
  struct Case {
    std::string name, shards;
    int ranks;
    int64_t workers;
  };
  for (const Experiment& e : experiments_with_teachers(folder)) {
    for (const Case& c : {Case{"two", kShards, 2, 2}, {"three", kShards, 3, 1}, {"four", kEight, 4, 1}}) {
      INFO(e.name << " by " << c.ranks << " ranks of " << c.workers << " workers");
      const fs::path one = folder / (c.shards == kShards ? "one" : "one_of_eight") / e.name,
                     several = folder / c.name / e.name;
      if (!fs::exists(one)) in_a_fork([&] { run(one, e.task, c.shards, 0, e.data); });
      const std::vector<int> ends = forked_ranks(c.ranks, [&](const Communicator& ranks) {
        run_ranks(several, e.task, c.shards, ranks, 0, e.data, Workers(c.workers));
      });
      CHECK(ends == all_well(c.ranks));
      CHECK(differing_file(one, several) == "");
    }
  }
}

TEST_CASE("A run that stops on two ranks goes on on six, and then on one, to the same bytes") {
  const TemporaryFolder folder;
  in_a_fork([&] { make_teacher(folder, 64); });
  const fs::path teacher = folder / "teacher64/model.safetensors";
  for (const std::string& task : {kTeacher, kClassifier, distil(teacher, kDiscriminator)}) {
    const fs::path whole = folder / "whole", cut = folder / "cut";
    fs::remove_all(whole);
    fs::remove_all(cut);
    in_a_fork([&] { run(whole, task, kShards); });
    CHECK(forked_ranks(2, [&](const Communicator& ranks) {
            // Only one of them is asked to stop.
            run_ranks(cut, task, kShards, ranks, ranks.rank == 1 ? 2 : 1'000);
          }) == all_well(2));
    CHECK(forked_ranks(6, [&](const Communicator& ranks) {
            run_ranks(cut, task, kShards, ranks, ranks.rank == 5 ? 1 : 1'000);
          }) == all_well(6));
    in_a_fork([&] { run(cut, task, kShards); });
    CHECK(differing_file(whole, cut) == "");
  }
}

TEST_CASE("A rank whose numbers drift is found at the next checkpoint, by network and rank") {
  const TemporaryFolder folder;
  const TrainConfig config = config_of(folder / "run", kTeacher, kShards);
  const Dataset data = halves();
  const std::vector<int> ends = forked_ranks(2, [&](const Communicator& ranks) {
    Task task = make_task(
        config.task, {.run = config.run, .device = at::kCPU, .data = data, .provenance = {}, .ranks = ranks});
    const auto step = task.step;
    task.step = [&](const Step& images) {
      StepStats stats = step(images);
      if (ranks.rank == 1 && images.nimg == 16)  // a unit in the last place of one number
        task.state.front().second.view(-1)[3].view(at::kInt).add_(1);
      return stats;
    };
    try {
      train(
          config, task, data, [] { return false; }, ranks);
    } catch (const NumericalError& error) {
      require(ranks.rank == 0, "rank 0 tells");
      require(std::string(error.what())
                      .find("after 48 images rank 1 has other numbers in "
                            "network.parameters") == 0,
              error.what());
    }
    require(!fs::exists(RunFolder{config.run.dir}.checkpoints() / "000000000048.safetensors"),
            "no checkpoint of it");
  });
  // Rank 0 has told, and waits for nobody.
  CHECK(ends.front() != kOther);
  CHECK(ends.back() == kFailedElsewhere);
}

TEST_CASE("A rank that is killed in training takes no checkpoint with it, and the run goes on") {
  const TemporaryFolder folder;
  in_a_fork([&] { run(folder / "whole", kTeacher, kShards); });
  const TrainConfig config = config_of(folder / "cut", kTeacher, kShards);
  const Dataset data = halves();
  for (const int killed : {1, 0}) {
    std::vector<int> ends(2, kLost);
    ends[killed] = kKilled;
    const std::vector<int> found = forked_ranks(2, [&](const Communicator& ranks) {
      Task task =
          make_task(config.task,
                    {.run = config.run, .device = at::kCPU, .data = data, .provenance = {}, .ranks = ranks});
      const auto step = task.step;
      task.step = [&](const Step& images) {
        if (ranks.rank == killed && images.nimg >= 64) raise(SIGKILL);
        return step(images);
      };
      train(
          config, task, data, [] { return false; }, ranks);
    });
    CHECK(found == ends);
    CHECK(fs::exists(folder / "cut/checkpoints/000000000048.safetensors"));
  }
  CHECK(forked_ranks(2, [&](const Communicator& ranks) {
          run_ranks(folder / "cut", kTeacher, kShards, ranks);
        }) == all_well(2));
  CHECK(differing_file(folder / "whole", folder / "cut") == "");
}
