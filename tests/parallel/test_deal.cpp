// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "parallel/deal.h"

using namespace onestep;

TEST_CASE("The ranks that can share a step are those whose shards are subtrees of the sum") {
  CHECK(possible_ranks(1) == std::vector<int64_t>{1});
  CHECK(possible_ranks(8) == std::vector<int64_t>{1, 2, 4, 8});
  CHECK(possible_ranks(12) == std::vector<int64_t>{1, 2, 3, 6, 12});
  CHECK(possible_ranks(7) == std::vector<int64_t>{1, 2, 4, 7});
  CHECK_FALSE(can_share(12, 4));
  CHECK_FALSE(can_share(2, 4));
  CHECK_THROWS(share_of_step(12, 0, 4));
}

TEST_CASE("Each shard of a step has one rank, each rank a power of two of them, the last what is left") {
  for (int64_t shards = 1; shards <= 64; ++shards) {
    for (int64_t ranks = 1; ranks <= 64; ++ranks) {
      const std::vector<int64_t> possible = possible_ranks(shards);
      CHECK(can_share(shards, ranks) == (std::ranges::find(possible, ranks) != possible.end()));
      if (!can_share(shards, ranks)) continue;
      const int64_t block = share_of_step(shards, 0, ranks).count;
      CHECK((ranks == 1 || (block & (block - 1)) == 0));
      int64_t next = 0;
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const Share share = share_of_step(shards, rank, ranks);
        CHECK(share.first == next);
        CHECK((share.count == block || (rank == ranks - 1 && share.count > 0 && share.count < block)));
        next += share.count;
      }
      CHECK(next == shards);
    }
  }
}

TEST_CASE("Passes are dealt whole and evenly") {
  for (int64_t n = 0; n <= 40; ++n) {
    for (int64_t ranks = 1; ranks <= 6; ++ranks) {
      int64_t next = 0, most = 0, fewest = 1000;
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const Share share = share_of_passes(n, 4, rank, ranks);
        CHECK(share.first == next);
        CHECK((share.first % 4 == 0 || share.count == 0));
        CHECK((share.count == 0 || share.count >= std::min<int64_t>(n, 4)));
        next += share.count;
        most = std::max(most, share.count);
        fewest = std::min(fewest, share.count);
      }
      CHECK(next == n);
      CHECK(most - fewest <= 4 + 3);  // a pass, and what the last one lacks
    }
  }
}
