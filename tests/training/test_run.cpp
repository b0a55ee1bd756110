// SPDX-License-Identifier: Apache-2.0
// What a run is: which changes it takes, and which make it another.
#include <filesystem>

#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "io/jsonl.h"
#include "io/safetensors.h"
#include "temporary_folder.h"
#include "training/checkpoint.h"
#include "training/run.h"
#include "training/run_config.h"

using namespace onestep;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kThen(64, 'a'), kNow(64, 'b');

/// An experiment as the applications encode it.
struct Whole {
  RunConfig run{.dir = "run"};
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("run", c.run, "the run");
  }
};

RunIdentity identity_of(const RunConfig& run, const std::string& teacher = kThen) {
  return {.configuration = config::encode(Whole{run}),
          .sources = {{.what = "teacher", .place = "teachers/t.safetensors", .sha256 = teacher}},
          .budget_problem = ""};
}

/// A run that got as far as a checkpoint.
void make_run(const fs::path& root, const RunConfig& config) {
  const Run run = open_run(root, identity_of(config));
  begin_run(run, 0);
  save_checkpoint(run.folder.checkpoints(), {{"x", at::zeros({3})}}, 64, 2, run.metadata);
}

std::string refusal(const fs::path& root, const RunIdentity& identity) {
  try {
    open_run(root, identity);
  } catch (const config::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("A run keeps the keys that change its numbers, and says which were changed") {
  const TemporaryFolder folder;
  make_run(folder / "run", {.dir = "run", .seed = 1});
  for (const RunConfig& other :
       {RunConfig{.dir = "run", .seed = 2}, RunConfig{.dir = "run", .seed = 1, .batch = 16},
        RunConfig{.dir = "run", .seed = 1, .flip = true}}) {
    const std::string message = refusal(folder / "run", identity_of(other));
    CHECK_THAT(message, Contains("another configuration (run."));
    CHECK_THAT(message, Contains("choose another run.dir") && !Contains("remove"));
  }
  CHECK_THAT(refusal(folder / "run", identity_of({.dir = "run", .seed = 2, .batch = 16})),
             Contains("(run.seed, run.batch)"));
}

TEST_CASE("Keys that don't change the numbers may change; the change is told and kept") {
  const TemporaryFolder folder;
  make_run(folder / "run", {.dir = "run"});
  const RunConfig other{
      .dir = "elsewhere", .tick_images = 5, .keep_checkpoints = 3, .device = "cuda", .threads = 7};
  {
    const Run run = open_run(folder / "run", identity_of(other));
    CHECK(config::keys_of(run.changes) ==
          "run.dir, run.tick_images, run.keep_checkpoints, run.device, run.threads");
    begin_run(run, 64);
    const auto log = io::read_jsonl(run.folder.log());
    REQUIRE(log.size() == 1);
    CHECK(log[0]["nimg"] == 64);
    CHECK(log[0]["changed"]["run.threads"] == nlohmann::ordered_json{"1", "7"});
  }
  const Run again = open_run(folder / "run", identity_of(other));
  CHECK(again.changes.empty());
}

TEST_CASE("Paths are compared as places") {
  const TemporaryFolder folder;
  const std::string dir = folder / "run";
  make_run(dir, {.dir = dir});
  CHECK(open_run(dir, identity_of({.dir = folder.path().string() + "/./x/../run/"})).changes.empty());
  CHECK(open_run(dir, identity_of({.dir = folder / "moved"})).changes.size() == 1);
}

TEST_CASE("A budget grows where nothing depends on it; else the message says what does") {
  const TemporaryFolder folder;
  make_run(folder / "run", {.dir = "run", .images = 100});
  RunIdentity longer = identity_of({.dir = "run", .images = 200});
  CHECK(open_run(folder / "run", longer).changes.size() == 1);
  longer.budget_problem = "task.optimizer.learning_rate.decay is linear";
  CHECK_THAT(refusal(folder / "run", longer),
             Contains("run.images was 100 and is 200, and task.optimizer.learning_rate.decay is linear"));
}

TEST_CASE("A run knows what it was made from by its content") {
  const TemporaryFolder folder;
  make_run(folder / "run", {.dir = "run"});
  const std::string message = refusal(folder / "run", identity_of({.dir = "run"}, kNow));
  CHECK_THAT(message, Contains("was made from another teacher") && Contains("aaaaaaaaaaaaaaaa… then") &&
                          Contains("bbbbbbbbbbbbbbbb… now: teachers/t.safetensors"));
  // A damaged newest checkpoint does not hide it, nor does a model without any checkpoint.
  write_bytes(folder / "run/checkpoints/000000000128.safetensors", "torn");
  CHECK(refusal(folder / "run", identity_of({.dir = "run"}, kNow)) == message);
  const auto metadata = newest_checkpoint_metadata(folder / "run/checkpoints");
  fs::remove_all(folder / "run/checkpoints");
  io::write_safetensors(folder / "run/model.safetensors", {{"x", at::zeros({3})}}, metadata);
  CHECK(refusal(folder / "run", identity_of({.dir = "run"}, kNow)) == message);
  CHECK(refusal(folder / "run", identity_of({.dir = "run"})).empty());
}

TEST_CASE("A folder without a checkpoint is no run: its configuration binds nobody") {
  const TemporaryFolder folder;
  { begin_run(open_run(folder / "run", identity_of({.dir = "run", .seed = 1})), 0); }
  const Run run = open_run(folder / "run", identity_of({.dir = "run", .seed = 2}, kNow));
  CHECK(run.changes.empty());
  begin_run(run, 0);
  CHECK_THAT(read_bytes(run.folder.config()), Contains("seed: 2"));
}

TEST_CASE("A run has one process at a time, who is named") {
  const TemporaryFolder folder;
  const Run run = open_run(folder / "run", identity_of({.dir = "run"}));
  CHECK_THROWS_WITH(open_run(folder / "run", identity_of({.dir = "run"})),
                    Contains("run: is being trained by process " + std::to_string(getpid()) + " on "));
  write_bytes(folder / "file", "in the way");
  CHECK_THROWS_WITH(open_run(folder / "file/run", identity_of({.dir = "run"})), Contains("can't be made"));
}
