// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace onestep {

/// Sinusoids of the places in a square grid, row by row, as DiT adds them to its tokens (Peebles & Xie 2023):
/// of D channels the first half are of the column, the second of the row, each sin(p f_i), then cos(p f_i)
/// with f_i = 10000^(−i/(D/4)). [1, side², D], float32, rounded from double; D divisible by 4. Shape alone on
/// at::kMeta.
at::Tensor position_table(int64_t side, int64_t channels, at::Device device = at::kCPU);

}  // namespace onestep
