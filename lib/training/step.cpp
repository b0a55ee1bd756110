// SPDX-License-Identifier: Apache-2.0
#include "training/step.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace onestep {

Step plan_step(int64_t nimg, int64_t size, int64_t shard, const Communicator& ranks) {
  TORCH_CHECK(shard >= 1, "a shard has at least 1 image, got ", shard);
  const int64_t shards = (size + shard - 1) / shard;
  const Communicator sharing = can_share(shards, ranks.size) ? ranks : Communicator();
  return {.nimg = nimg,
          .size = size,
          .shard = shard,
          .shards = shards,
          .ranks = sharing,
          .mine = share_of_step(shards, sharing.rank, sharing.size)};
}

ShardRange range_of(const Step& step, int64_t number) {
  const int64_t first = number * step.shard;
  return {step.nimg + first, std::min(step.shard, step.size - first)};
}

Step step_of(const Batch& batch, int64_t shard) {
  Step step = plan_step(batch.nimg, batch.images.size(0), shard, {});
  step.read = [batch, step](int64_t number) {
    const ShardRange range = range_of(step, number);
    const auto part = [&](const at::Tensor& all) {
      return all.narrow(0, range.nimg - step.nimg, range.size);
    };
    return Batch{part(batch.images), map_rows(batch.condition, part), part(batch.indices), range.nimg};
  };
  return step;
}

}  // namespace onestep
