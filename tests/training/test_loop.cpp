// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

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
  double poison_from = INFINITY;  ///< nimg from which the loss is NaN

  Task task() {
    return {.step =
                [this](const Batch& batch) {
                  const double nimg = batch.indices[0].item<double>();
                  state.mul_(0.9).add_(batch.images.sum().to(at::kDouble)).add_(1e-3 * nimg);
                  ++steps;
                  StepStats stats;
                  stats.add("loss", at::full({}, nimg >= poison_from ? NAN : 1.0));
                  return stats;
                },
            .state = {{"chain", state}},
            .save_model =
                [this](const std::filesystem::path& path) {
                  io::write_safetensors(path, {{"chain", state}});
                },
            .finish = [this](const Dataset&) { ++finished; }};
  }
};

RunConfig run_of(const std::filesystem::path& dir) {
  return {.dir = dir, .seed = 3, .images = 100, .batch = 8, .tick_images = 16, .checkpoint_images = 32};
}

RunEnd train(
    const RunConfig& config, Chain& chain, const std::function<bool()>& stop = [] { return false; }) {
  Task task = chain.task();
  return run_training(config, "test", open_run_folder(config.dir, "run: {}\n"), tiny_data(), task, stop);
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

TEST_CASE("A finished run has nothing to do") {
  const TemporaryFolder folder;
  Chain first, second;
  train(run_of(folder / "run"), first);
  CHECK(train(run_of(folder / "run"), second) == RunEnd::finished);
  CHECK(second.steps == 0);
}

TEST_CASE("A loss that is not finite ends the run before it can reach a checkpoint") {
  const TemporaryFolder folder;
  const RunConfig config = run_of(folder / "run");
  Chain chain;
  chain.poison_from = 40;
  CHECK_THROWS_AS(train(config, chain), NumericalError);
  Chain again;
  train(config, again);
  CHECK(again.steps == 13 - 4);  // the checkpoint at 32 is there and sound
}

TEST_CASE("Micro-batches are consecutive parts that make up the batch") {
  const Batch batch = read_batch(tiny_data(), 1, 0, 8, false);
  CHECK(split(batch, 0).size() == 1);
  CHECK(split(batch, 8).size() == 1);
  const std::vector<Batch> parts = split(batch, 3);
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].images.size(0) == 2);
  CHECK(parts[1].indices[0].item<int64_t>() == 3);
  CHECK(parts[1].images.equal(batch.images.slice(0, 3, 6)));
}
