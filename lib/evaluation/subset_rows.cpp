// SPDX-License-Identifier: Apache-2.0
#include "evaluation/subset_rows.h"

#include <numeric>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

#include "kernels/philox.h"
#include "noise/purpose.h"

namespace onestep {

at::Tensor subset_rows(int64_t n, int64_t subsets, int64_t size, uint64_t seed, uint64_t which) {
  constexpr int64_t kWord = int64_t{1} << 32;
  TORCH_CHECK(1 <= size && size <= n && n < kWord, "subset_rows: cannot take ", size, " of ", n, " rows");
  TORCH_CHECK(1 <= subsets && subsets < kWord, "subset_rows: ", subsets, " subsets asked for");
  TORCH_CHECK(which < static_cast<uint64_t>(kWord), "subset_rows: which must be below 2^32, got ", which);
  at::Tensor result = at::empty({subsets, size}, at::kLong);
  int64_t* out = result.mutable_data_ptr<int64_t>();
  std::vector<int64_t> rows(static_cast<size_t>(n));
  for (int64_t s = 0; s < subsets; ++s) {
    // The first `size` steps of Fisher and Yates' shuffle.
    std::iota(rows.begin(), rows.end(), int64_t{0});
    const uint64_t stream = (which << 32) | static_cast<uint64_t>(s);
    for (int64_t i = 0; i < size; ++i) {
      const uint64_t bits =
          kernels::philox_bits(seed, word(Purpose::subset), stream, static_cast<uint32_t>(i));
      // ⌊bits left / 2^64⌋, uniform below `left` to 2^-32; the product has 96 bits and is made in two halves.
      const uint64_t left = static_cast<uint64_t>(n - i);
      const uint64_t step = ((bits >> 32) * left + (((bits & 0xFFFFFFFFu) * left) >> 32)) >> 32;
      std::swap(rows[static_cast<size_t>(i)], rows[static_cast<size_t>(i) + step]);
      *out++ = rows[static_cast<size_t>(i)];
    }
  }
  return result;
}

}  // namespace onestep
