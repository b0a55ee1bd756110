// SPDX-License-Identifier: Apache-2.0
#include "parallel/deal.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace onestep {
namespace {

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// The smallest power of two of shards with which so many ranks have enough.
int64_t block_of(int64_t shards, int64_t ranks) {
  int64_t block = 1;
  while (ceil_div(shards, block) > ranks) block *= 2;
  return block;
}

}  // namespace

std::vector<int64_t> possible_ranks(int64_t shards) {
  std::vector<int64_t> ranks;
  for (int64_t block = 1; ranks.empty() || ranks.front() > 1; block *= 2)
    ranks.insert(ranks.begin(), ceil_div(shards, block));
  return ranks;
}

bool can_share(int64_t shards, int64_t ranks) {
  return ceil_div(shards, block_of(shards, ranks)) == ranks;
}

Share share_of_step(int64_t shards, int64_t rank, int64_t ranks) {
  TORCH_CHECK(can_share(shards, ranks), ranks, " ranks cannot share ", shards, " shards");
  const int64_t block = block_of(shards, ranks);
  return {rank * block, std::min(block, shards - rank * block)};
}

Share share_of_passes(int64_t n, int64_t together, int64_t rank, int64_t ranks) {
  const int64_t passes = std::max<int64_t>(n / together, 1), each = passes / ranks, more = passes % ranks;
  const auto begin = [&](int64_t r) {
    const int64_t pass = r * each + std::min(r, more);
    return pass == passes ? n : pass * together;
  };
  return {begin(rank), begin(rank + 1) - begin(rank)};
}

}  // namespace onestep
