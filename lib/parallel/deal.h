// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

/// Who computes what, where ranks share work whose parts are independent.
namespace onestep {

/// Consecutive parts of some work.
struct Share {
  int64_t first = 0, count = 0;
};

/// The ranks among which the sum of a step's `shards` can be divided, ascending: ⌈shards/2ᵏ⌉ for
/// k = 0, 1, …. A rank then has 2ᵏ consecutive shards (the last one what is left), which are a subtree of the
/// canonical sum (canonical_sum.h), so that the sum of the ranks' sums is the sum of all, bit for bit.
std::vector<int64_t> possible_ranks(int64_t shards);

/// Whether so many ranks are among them.
bool can_share(int64_t shards, int64_t ranks);

/// A rank's shards of a step that so many ranks can share. Throws c10::Error where they can't.
Share share_of_step(int64_t shards, int64_t rank, int64_t ranks);

/// A rank's items of n, of which `together` at a time are computed in one pass that is not to be cut, and
/// what is less than a pass goes with the last: evenly, in the order of ranks; the first may have a pass
/// more, and the last ones none.
Share share_of_passes(int64_t n, int64_t together, int64_t rank, int64_t ranks);

}  // namespace onestep
