// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "training/step.h"

using namespace onestep;

namespace {

const Dataset kData{.name = "numbers",
                    .images = at::arange(40, at::kByte).view({20, 1, 1, 2}),
                    .labels = at::zeros({20}, at::kLong),
                    .class_names = {"one"}};

}  // namespace

TEST_CASE("A step's shards are consecutive parts that make it up") {
  const Batch all = read_batch(kData, 1, 40, 8, false);
  CHECK(step_of(all, 8).shards == 1);
  CHECK(step_of(all, 100).shards == 1);
  const Step step = step_of(all, 3);
  REQUIRE(step.shards == 3);
  CHECK((step.nimg == 40 && step.size == 8));
  CHECK(step.read(2).images.size(0) == 2);
  const Batch shard = step.read(1);
  CHECK(shard.indices[0].item<int64_t>() == 43);
  CHECK(shard.nimg == 43);
  CHECK(shard.images.equal(all.images.slice(0, 3, 6)));
  CHECK(shard.condition.classes.equal(all.condition.classes.slice(0, 3, 6)));
  CHECK_THROWS_WITH(step_of(all, 0), Catch::Contains("at least 1 image"));
}

TEST_CASE("Ranks share a step's shards; one that is too short is everybody's") {
  const Communicator second{.rank = 1, .size = 4};
  const Step whole = plan_step(64, 32, 4, second);
  CHECK((whole.ranks.size == 4 && whole.mine.first == 2 && whole.mine.count == 2));
  const ShardRange range = range_of(whole, whole.mine.first);
  CHECK((range.nimg == 72 && range.size == 4));
  const Step shorter = plan_step(96, 13, 4, second);  // four shards, of which the last has one image
  CHECK((shorter.ranks.size == 4 && shorter.mine.first == 1 && shorter.mine.count == 1));
  CHECK(range_of(shorter, 3).size == 1);
  const Step shortest = plan_step(96, 8, 4, second);
  CHECK((shortest.ranks.size == 1 && shortest.mine.first == 0 && shortest.mine.count == 2));
}
