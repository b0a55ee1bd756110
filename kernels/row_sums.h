// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace onestep::kernels {

/// sum[c] = Σ_r x[r, c] of contiguous float32 [rows, columns], host pointers: the gradient of what each row
/// is told. Parts of 128 rows are summed in their order, and then added in theirs.
void row_sums_cpu(const float* x, int64_t rows, int64_t columns, float* sum);

}  // namespace onestep::kernels
