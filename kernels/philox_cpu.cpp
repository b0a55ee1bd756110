// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <ATen/Parallel.h>

#include "kernels/philox_core.h"

namespace onestep::kernels {
namespace {

/// Blocks [begin, end) of one row, whole blocks only; `out` is where block `begin` goes.
template <PhiloxLaw law>
ONESTEP_VECTOR_CLONES void fill_blocks(uint64_t seed, uint32_t purpose, uint64_t index, int64_t begin,
                                       int64_t end, float* out) {
  for (int64_t block = begin; block < end; ++block) {
    philox_values<law>(seed, purpose, index, static_cast<uint32_t>(block), out + 4 * (block - begin));
  }
}

template <PhiloxLaw law>
void fill(uint64_t seed, uint32_t purpose, const int64_t* indices, int64_t rows, int64_t row_size,
          float* out) {
  constexpr int64_t kGrain = 2048;  // blocks: tens of microseconds of work
  const int64_t row_blocks = (row_size + 3) / 4;
  // Rows are cut into tasks by block, so that one long row and many short ones both spread over the threads.
  at::parallel_for(0, rows * row_blocks, kGrain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t row = begin / row_blocks, first = begin % row_blocks;
      const int64_t last = std::min(row_blocks, first + (end - begin));
      const int64_t whole = std::min(last, row_size / 4);
      const auto index = static_cast<uint64_t>(indices[row]);
      float* const values = out + row * row_size;
      fill_blocks<law>(seed, purpose, index, first, whole, values + 4 * first);
      if (whole < last) {  // the row's size is no multiple of 4, and this is its last block
        float rest[4];
        philox_values<law>(seed, purpose, index, static_cast<uint32_t>(whole), rest);
        std::copy_n(rest, row_size - 4 * whole, values + 4 * whole);
      }
      begin += last - first;
    }
  });
}

}  // namespace

void philox_cpu(PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices, int64_t rows,
                int64_t row_size, float* out) {
  const auto run = law == PhiloxLaw::normal ? fill<PhiloxLaw::normal> : fill<PhiloxLaw::uniform>;
  run(seed, purpose, indices, rows, row_size, out);
}

}  // namespace onestep::kernels
