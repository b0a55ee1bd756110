// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

namespace onestep {

/// On a CPU, LibTorch picks the order of a convolution's sums by the number of rows where that is below 16. A
/// network that gets so many at least gives an image the same bits in every batch.
inline constexpr int64_t kFewestRows = 16;

/// Repeats the first row up to `rows`; an undefined tensor stays so.
inline at::Tensor padded(const at::Tensor& t, int64_t rows) {
  if (!t.defined() || t.size(0) >= rows || t.size(0) == 0) return t;
  std::vector<int64_t> shape = t.sizes().vec();
  shape[0] = rows - t.size(0);
  return at::cat({t, t.slice(0, 0, 1).expand(shape)});
}

}  // namespace onestep
