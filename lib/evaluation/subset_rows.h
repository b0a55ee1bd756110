// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace onestep {

/// `subsets` random subsets of `size` of the rows 0 … n−1, each without replacement and independent of the
/// others: int64 [subsets, size]. Row s depends on (n, seed, which, s) and nothing else, and its first k
/// entries are the subset of size k; size = n gives a permutation. `which` keeps different uses of a seed
/// apart: give the two sides of a comparison different ones (kernel_distance has 2 and 3, the metrics' table
/// 4 to 6, fid_infinity 16 to 30). Memory: n words beside the result. Throws c10::Error unless 1 ≤ size ≤ n
/// and 1 ≤ subsets and which and subsets are below 2^32.
at::Tensor subset_rows(int64_t n, int64_t subsets, int64_t size, uint64_t seed, uint64_t which);

}  // namespace onestep
