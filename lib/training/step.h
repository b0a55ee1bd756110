// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>

#include "data/loader.h"
#include "parallel/communicator.h"
#include "parallel/deal.h"

namespace onestep {

/// Which images of a run make up a shard.
struct ShardRange {
  int64_t nimg, size;
};

/// A step of a run: the images [nimg, nimg + size) in shards of `shard`, of which the last may be shorter.
struct Step {
  int64_t nimg = 0, size = 0;
  int64_t shard = 1;
  int64_t shards = 1;
  Communicator ranks;  ///< that share the shards; nobody where each computes all, as a last step that is too
                       ///< short to be shared
  Share mine;          ///< this rank's of them
  std::function<Batch(int64_t number)> read;  ///< a shard of this rank's, once each, from any thread
};

/// The step of `size` images at nimg as it is shared by `ranks`, without its images.
Step plan_step(int64_t nimg, int64_t size, int64_t shard, const Communicator& ranks);

/// Where a shard of the step lies in the run.
ShardRange range_of(const Step& step, int64_t number);

/// A step whose images are all there, for one rank.
Step step_of(const Batch& batch, int64_t shard);

}  // namespace onestep
