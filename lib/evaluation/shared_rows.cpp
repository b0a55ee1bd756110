// SPDX-License-Identifier: Apache-2.0
#include "evaluation/shared_rows.h"

namespace onestep {

SharedRows shared_rows(int64_t n, int64_t batch, const Communicator& ranks) {
  SharedRows rows{.n = n, .ranks = ranks, .mine = share_of_passes(n, batch, ranks.rank, ranks.size)};
  for (int rank = 0; rank < ranks.size; ++rank)
    rows.counts.push_back(share_of_passes(n, batch, rank, ranks.size).count);
  return rows;
}

io::Cached cached_by_first(const Communicator& ranks, const io::Cache& cache, const std::string& description,
                           const std::function<bool(const io::NamedArrays&)>& fits,
                           const std::function<io::NamedArrays()>& compute,
                           const std::function<void(const std::string&)>& complain) {
  constexpr int64_t kKept = 0, kMissing = 1;
  if (ranks.rank != 0) {
    if (broadcast(ranks, kKept) == kKept) return {.hit = true};
    return {.arrays = compute()};
  }
  io::Cached found = io::cached(
      cache, description, fits,
      [&] {
        broadcast(ranks, kMissing);
        return compute();
      },
      complain);
  if (found.hit) broadcast(ranks, kKept);
  return found;
}

}  // namespace onestep
