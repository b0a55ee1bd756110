// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "io/cache.h"
#include "parallel/communicator.h"
#include "parallel/deal.h"

namespace onestep {

/// How ranks share the rows of a set: in whole batches, so that each is what one rank would have computed.
struct SharedRows {
  int64_t n = 0;
  Communicator ranks;
  std::vector<int64_t> counts;  ///< of each rank
  Share mine;
};
SharedRows shared_rows(int64_t n, int64_t batch, const Communicator& ranks);

/// io::cached by rank 0, whose result it is. Where there is none kept, compute() is called by every rank, and
/// may communicate; the others return what theirs gave. `hit` is rank 0's.
io::Cached cached_by_first(const Communicator& ranks, const io::Cache& cache, const std::string& description,
                           const std::function<bool(const io::NamedArrays&)>& fits,
                           const std::function<io::NamedArrays()>& compute,
                           const std::function<void(const std::string&)>& complain);

}  // namespace onestep
