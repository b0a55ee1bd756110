// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/portable.h"
#include "kernels/row_sums.h"

namespace onestep::kernels {
namespace {

constexpr int64_t kPart = 128;  // rows
constexpr int kUnit = 16;       // columns whose sums stay in registers

/// sum += Σ of the rows, for `width` columns, at most kUnit.
__attribute__((always_inline)) inline void add_rows(const float* x, int64_t rows, int64_t columns, int width,
                                                    float* sum) {
  float part[kUnit] = {};
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < width; ++c) part[c] += x[r * columns + c];
  for (int c = 0; c < width; ++c) sum[c] += part[c];
}

ONESTEP_VECTOR_CLONES void add_part(const float* x, int64_t rows, int64_t columns, float* sum) {
  int64_t c = 0;
  for (; c + kUnit <= columns; c += kUnit) add_rows(x + c, rows, columns, kUnit, sum + c);
  if (c < columns) add_rows(x + c, rows, columns, static_cast<int>(columns - c), sum + c);
}

}  // namespace

void row_sums_cpu(const float* x, int64_t rows, int64_t columns, float* sum) {
  std::fill_n(sum, columns, 0.0f);
  for (int64_t row = 0; row < rows; row += kPart)
    add_part(x + row * columns, std::min(kPart, rows - row), columns, sum);
}

}  // namespace onestep::kernels
