// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>
#include <map>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "io/jsonl.h"
#include "io/numerical_error.h"
#include "temporary_folder.h"
#include "training/loop.h"

using namespace onestep;

namespace {

Dataset tiny_data() {
  at::Tensor images = at::zeros({10, 1, 2, 2}, at::kByte);
  for (int64_t i = 0; i < 10; ++i) images[i].fill_(20 * i);
  return {.name = "tiny", .images = images, .labels = at::zeros({10}, at::kLong), .class_names = {"only"}};
}

/// A task whose state is a chain over everything it was given, so that any image lost, repeated or reordered
/// shows.
struct Chain {
  at::Tensor state = at::zeros({}, at::kDouble);
  int64_t steps = 0;
  int64_t finished = 0;
  double poison_from = INFINITY, poison_to = INFINITY;  ///< nimg between which the loss is NaN
  int64_t row = 0;

  Task task() {
    return {.step =
                [this](const Step& step) {
                  const auto nimg = static_cast<double>(step.nimg);
                  at::Tensor sum = at::zeros({}, at::kDouble);
                  for (int64_t shard = 0; shard < step.shards; ++shard)
                    sum = sum + step.read(shard).images.sum().to(at::kDouble);
                  state.mul_(0.9).add_(sum).add_(1e-3 * nimg);
                  ++steps;
                  StepStats stats;
                  const bool poisoned = nimg >= poison_from && nimg < poison_to;
                  row = poisoned ? row + 1 : 0;
                  stats.add("loss", at::full({}, poisoned ? NAN : 1.0));
                  stats.add_update("net/", at::full({}, poisoned ? NAN : 2.0), at::full({}, row));
                  return stats;
                },
            .state = {{"chain", state}},
            .model =
                [this] {
                  return io::TensorFile{.tensors = {{"chain", state}}};
                },
            .finish = [this](const Dataset&) { ++finished; }};
  }
};

RunConfig run_of(const std::filesystem::path& dir) {
  return {.dir = dir, .seed = 3, .images = 100, .batch = 8, .tick_images = 16, .checkpoint_images = 32};
}

const RunIdentity kIdentity{
    .configuration = config::parse("run: {}", "test"), .sources = {}, .budget_problem = ""};

RunEnd train(
    const RunConfig& config, Chain& chain, const std::function<bool()>& stop = [] { return false; },
    const Scoring& scoring = {}) {
  Task task = chain.task();
  const Run run = open_run(config.dir, kIdentity);
  return run_training(config, "test", &run, tiny_data(), task, stop, scoring);
}

double chain_in(const io::TensorFile& model) {
  return model.at("chain").item<double>();
}
double chain_in(const std::filesystem::path& model) {
  return chain_in(io::read_safetensors(model));
}

/// The scores of a log, by images.
std::map<int64_t, double> logged_scores(const RunConfig& config) {
  std::map<int64_t, double> scores;
  for (const auto& line : io::read_jsonl(RunFolder{config.dir}.log()))
    if (line.contains("fid")) scores[line["nimg"]] = line["fid"];
  return scores;
}

/// A score with its minimum in the middle of the run.
Scoring distance_to(double wanted) {
  return {.name = "fid", .every_images = 24, .score = [=](const io::TensorFile& model) {
            return ModelScore{std::abs(chain_in(model) - wanted), 0.5};
          }};
}

}  // namespace

TEST_CASE("A stopped and resumed run equals an unbroken one bit for bit") {
  const TemporaryFolder folder;
  Chain whole;
  CHECK(train(run_of(folder / "whole"), whole) == RunEnd::finished);
  CHECK(whole.steps == 13);  // 12 of 8 and one of 4: the budget is met exactly
  CHECK(whole.finished == 1);

  for (int64_t stop_after = 1; stop_after <= 12; ++stop_after) {
    const RunConfig config = run_of(folder / ("cut" + std::to_string(stop_after)));
    Chain first;
    CHECK(train(config, first, [&] { return first.steps == stop_after; }) == RunEnd::interrupted);
    CHECK(first.finished == 0);
    Chain second;
    CHECK(train(config, second) == RunEnd::finished);
    CHECK(second.steps == 13 - stop_after);
    CHECK(second.state.equal(whole.state));
    CHECK(io::read_safetensors(RunFolder{config.dir}.model()).at("chain").equal(whole.state));
    int64_t last = 0;
    for (const auto& line : io::read_jsonl(RunFolder{config.dir}.log())) {
      CHECK(line.at("nimg") > last);
      last = line.at("nimg");
    }
    CHECK(last == 100);
  }
}

TEST_CASE("A run that died goes on from its last checkpoint") {
  const TemporaryFolder folder;
  Chain whole;
  train(run_of(folder / "whole"), whole);
  const RunConfig config = run_of(folder / "died");
  Chain first;
  CHECK_THROWS(train(config, first, [&]() -> bool {
    if (first.steps == 11) throw std::runtime_error("the machine is gone");
    return false;
  }));
  Chain second;
  train(config, second);
  CHECK(second.steps == 13 - 8);  // from 64 images: the checkpoint before 88
  CHECK(second.state.equal(whole.state));
}

TEST_CASE("A log that is damaged in the middle does not keep a run from going on") {
  const TemporaryFolder folder;
  Chain whole;
  train(
      run_of(folder / "whole"), whole, [] { return false; }, distance_to(400));
  const RunConfig config = run_of(folder / "run");
  const RunFolder run{config.dir};
  Chain first, second;
  const auto stop = [&] { return first.steps == 8; };
  CHECK(train(config, first, stop, distance_to(400)) == RunEnd::interrupted);
  const std::string log = read_bytes(run.log());
  const std::string odd = "{\"nimg\":\"x\",\"fid\":1}\n{\"nimh\":16,\"fid\":2}\n";
  write_bytes(run.log(), "\xff" + log.substr(0, log.find('\n')) + "\n\n" + odd + log);
  CHECK(train(
            config, second, [] { return false; }, distance_to(400)) == RunEnd::finished);
  CHECK(second.state.equal(whole.state));
  CHECK(read_bytes(run.log()).starts_with(odd + log));
}

TEST_CASE("A run whose checkpoints can't be used ends before anything is changed") {
  const TemporaryFolder folder;
  const RunConfig config = run_of(folder / "run");
  const RunFolder run{config.dir};
  Chain first, second;
  CHECK(train(config, first, [&] { return first.steps == 8; }) == RunEnd::interrupted);
  for (const auto& entry : std::filesystem::directory_iterator(run.checkpoints()))
    std::filesystem::resize_file(entry.path(), 30);
  const auto content = [&] {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(run.root))
      if (entry.is_regular_file()) files[entry.path()] = read_bytes(entry.path());
    return files;
  };
  const auto before = content();
  CHECK_THAT(file_error([&] { train(config, second); }), Catch::Contains("000000000064.safetensors"));
  CHECK(second.steps == 0);
  CHECK(content() == before);
}

TEST_CASE("A finished run has nothing to do") {
  const TemporaryFolder folder;
  Chain first, second;
  train(run_of(folder / "run"), first);
  CHECK(train(run_of(folder / "run"), second) == RunEnd::already_finished);
  CHECK(second.steps == 0);
}

TEST_CASE("So many updates left out in a row end the run, and no checkpoint is made of them") {
  const TemporaryFolder folder;
  RunConfig config = run_of(folder / "run");
  config.max_skipped = 3;
  Chain chain;
  chain.poison_from = 40;
  CHECK_THROWS_WITH(train(config, chain), Catch::Contains("the last 3 updates") &&
                                              Catch::Contains("net/skipped") &&
                                              Catch::Contains("run.max_skipped is 3") &&
                                              Catch::Contains("the last checkpoint is that of 32 images"));
  CHECK_THROWS_AS(train(config, chain), NumericalError);
  Chain again;
  train(config, again);
  CHECK(again.steps == 13 - 4);  // the checkpoint at 32 is there and sound
  Chain never;
  never.poison_from = 0;
  config.dir = folder / "never";
  CHECK_THROWS_WITH(train(config, never), Catch::Contains("there is no checkpoint yet"));
}

TEST_CASE("What a run prepares comes before its first step, and a stop among it ends the run") {
  const TemporaryFolder folder;
  const RunConfig config = run_of(folder / "run");
  Chain chain;
  Task task = chain.task();
  int64_t prepared = 0;
  task.prepare = [&](const std::function<bool()>& stop) {
    CHECK(chain.steps == 0);
    ++prepared;
    return !stop();
  };
  const auto go = [&](bool stopped) {
    const Run run = open_run(config.dir, kIdentity);
    return run_training(config, "test", &run, tiny_data(), task, [&] { return stopped; });
  };
  CHECK(go(true) == RunEnd::interrupted);
  CHECK(chain.steps == 0);
  CHECK(go(false) == RunEnd::finished);
  CHECK(chain.steps == 13);
  CHECK(go(false) == RunEnd::already_finished);
  CHECK(prepared == 2);  // a finished run needs nothing
}

TEST_CASE("Updates left out here and there cost themselves: they are in the log, and the run goes on") {
  const TemporaryFolder folder;
  RunConfig config = run_of(folder / "run");
  config.max_skipped = 3;
  Chain chain;
  chain.poison_from = 40;
  chain.poison_to = 56;  // two steps
  CHECK(train(config, chain) == RunEnd::finished);
  int64_t skipped = 0;
  for (const auto& line : io::read_jsonl(RunFolder{config.dir}.log())) {
    skipped += line.at("net/skipped").get<int64_t>();
    if (line.at("nimg") == 48) CHECK(line.at("loss") == 1);  // the mean of the one that is finite
  }
  CHECK(skipped == 2);
}

TEST_CASE("Means are of what is finite, with how many samples that is; nothing finite is null in the log") {
  TickMeans means;
  StepStats a, b;
  a.add("loss", at::tensor({1.0, NAN, 3.0, 8.0}), at::tensor({1, 1, 1, 0}).to(at::kBool));
  a.add("norm", at::tensor(NAN));
  b.add("loss", at::tensor({5.0}), at::tensor({1}).to(at::kBool));
  b.add("norm", at::tensor(NAN));
  means.add(a);
  means.add(b);
  const auto taken = means.take();
  REQUIRE(taken.size() == 3);
  CHECK(taken[0] == std::pair<std::string, double>("loss", 3));
  CHECK(taken[1] == std::pair<std::string, double>("loss/samples", 3));
  CHECK(std::isnan(taken[2].second));
  CHECK(means.take().empty());

  const TemporaryFolder folder;
  Chain chain;
  chain.poison_from = 40;  // the default bound on skips is not reached
  CHECK(train(run_of(folder / "run"), chain) == RunEnd::finished);
  CHECK(io::read_jsonl(RunFolder{folder / "run"}.log()).back().at("loss").is_null());
}

TEST_CASE("A scored run keeps its best model beside the last") {
  const TemporaryFolder folder;
  Chain probe;
  std::map<int64_t, double> chain_at;
  const Scoring look{.name = "fid", .every_images = 24, .score = [&](const io::TensorFile& model) {
                       chain_at[8 * probe.steps] = chain_in(model);
                       return ModelScore{1.0, {}};
                     }};
  const RunConfig first_run = run_of(folder / "look");
  train(
      first_run, probe, [] { return false; }, look);
  REQUIRE(chain_at.size() == 5);                                     // after 24, 48, 72, 96 and at the end
  CHECK(chain_in(RunFolder{first_run.dir}.best()) == chain_at[24]);  // of equals the first

  const RunConfig config = run_of(folder / "run");
  Chain chain;
  train(
      config, chain, [] { return false; }, distance_to(chain_at[48]));
  const RunFolder run{config.dir};
  CHECK(chain_in(run.best()) == chain_at[48]);
  CHECK(chain_in(run.model()) == chain.state.item<double>());
  CHECK_FALSE(std::filesystem::exists(run.root / "candidate.safetensors"));
  const auto scores = logged_scores(config);
  REQUIRE(scores.size() == 5);
  CHECK(scores.at(48) == 0.0);
  CHECK(scores.contains(100));
  const std::string html = read_bytes(run.root / "report.html");
  CHECK(html.find("The best is 0 ± 0.5 after 48 images, kept as best.safetensors") != std::string::npos);
}

TEST_CASE("A score or a sheet that fails costs a warning, and no checkpoint") {
  const TemporaryFolder folder;
  const RunConfig config = run_of(folder / "run");
  Chain chain, whole;
  const Scoring failing{
      .name = "fid", .every_images = 24, .score = [&](const io::TensorFile&) -> std::optional<ModelScore> {
        throw io::FileError(config.dir, "cannot be scored");
      }};
  Task task = chain.task();
  task.snapshot = []() -> at::Tensor { throw NumericalError("nothing but NaN"); };
  {
    const Run run = open_run(config.dir, kIdentity);
    CHECK(run_training(
              config, "test", &run, tiny_data(), task, [] { return false; }, failing) == RunEnd::finished);
  }
  train(run_of(folder / "whole"), whole);
  CHECK(chain.state.equal(whole.state));
  CHECK(logged_scores(config).empty());
}

TEST_CASE("A checkpoint is written before the score of its step, which may be killed") {
  const TemporaryFolder folder;
  const RunConfig config = run_of(folder / "run");
  Chain first, second;
  struct Killed {};
  Scoring deadly = distance_to(400);
  deadly.every_images = 96;
  deadly.score = [](const io::TensorFile&) -> std::optional<ModelScore> { throw Killed{}; };
  CHECK_THROWS_AS(train(
                      config, first, [] { return false; }, deadly),
                  Killed);
  CHECK(std::filesystem::exists(folder / "run/checkpoints/000000000096.safetensors"));
  Scoring healthy = distance_to(400);
  healthy.every_images = 96;
  train(
      config, second, [] { return false; }, healthy);
  CHECK(second.steps == 1);
  CHECK(logged_scores(config).contains(96));  // made up for
}

TEST_CASE("A run that was killed between checkpoint and model, or before its last score, is made whole") {
  const TemporaryFolder folder;
  const RunConfig config = run_of(folder / "run");
  const RunFolder run{config.dir};
  Chain first, second;
  CHECK(train(config, first, [&] { return first.steps == 4; }) == RunEnd::interrupted);
  const std::string early = read_bytes(run.model());
  CHECK(images_of_model(run.model()) == 32);
  train(config, second);
  const std::string last = read_bytes(run.model());
  write_bytes(run.model(), early);
  Chain third;
  CHECK(train(
            config, third, [] { return false; }, distance_to(400)) == RunEnd::already_finished);
  CHECK(third.steps == 0);
  CHECK(read_bytes(run.model()) == last);
  CHECK(images_of_model(run.model()) == 100);
  CHECK(logged_scores(config).contains(100));
}

TEST_CASE("A model alone is never written over") {
  const TemporaryFolder folder;
  RunConfig config = run_of(folder / "run");
  const RunFolder run{config.dir};
  Chain first, second;
  train(config, first);
  std::filesystem::remove_all(run.checkpoints());
  const std::string model = read_bytes(run.model());
  CHECK(train(config, second) == RunEnd::already_finished);
  config.images = 200;
  CHECK_THROWS_WITH(train(config, second), Catch::Contains("holds a model but no checkpoint"));
  CHECK(second.steps == 0);
  CHECK(read_bytes(run.model()) == model);
}

TEST_CASE("A budget may grow: the longer run is the one that was longer from the start") {
  const TemporaryFolder folder;
  RunConfig config = run_of(folder / "run"), longer = run_of(folder / "longer");
  config.images = 96;
  longer.images = 160;
  Chain first, second, whole;
  train(config, first);
  config.images = 160;
  CHECK(train(config, second) == RunEnd::finished);
  train(longer, whole);
  CHECK(second.steps == 8);
  CHECK(second.state.equal(whole.state));
  config.images = 80;
  Chain third;
  CHECK_THROWS_WITH(train(config, third), Catch::Contains("has seen 160 images already, more than 80"));
  config.images = 100;
  config.dir = folder / "odd";
  Chain fourth, fifth;
  train(config, fourth);
  config.images = 160;
  CHECK_THROWS_WITH(train(config, fifth), Catch::Contains("with less than a batch of 8"));
}

TEST_CASE("A scored run that is stopped and resumed has the scores and the best of an unbroken one") {
  const TemporaryFolder folder;
  const RunConfig whole = run_of(folder / "whole");
  Chain reference;
  train(
      whole, reference, [] { return false; }, distance_to(400));
  for (int64_t stop_after = 1; stop_after <= 12; ++stop_after) {
    CAPTURE(stop_after);
    const RunConfig config = run_of(folder / ("cut" + std::to_string(stop_after)));
    Chain first, second;
    // A signal is noted during the step or during the scoring after it, which then has no value.
    const auto stop = [&] { return first.steps == stop_after; };
    Scoring scoring = distance_to(400);
    scoring.score = [&, score = scoring.score](const io::TensorFile& model) -> std::optional<ModelScore> {
      if (stop()) return std::nullopt;
      return score(model);
    };
    CHECK(train(config, first, stop, scoring) == RunEnd::interrupted);
    CHECK(train(
              config, second, [] { return false; }, distance_to(400)) == RunEnd::finished);
    CHECK(logged_scores(config) == logged_scores(whole));
    CHECK(chain_in(RunFolder{config.dir}.best()) == chain_in(RunFolder{whole.dir}.best()));
    CHECK(second.state.equal(reference.state));
  }
}
