// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <vector>

#include <ATen/Parallel.h>

#include "kernels/linear_core.h"
#include "kernels/portable.h"

namespace onestep::kernels {
namespace {

typedef float Vector __attribute__((vector_size(kLinearUnit * sizeof(float))));

constexpr int64_t kRows = 6;    // of a product that are summed at a time: as many as AVX2 has registers for
constexpr int64_t kPart = 128;  // rows whose sum is taken before it is added to that of the others
constexpr int64_t kGrain = 1 << 20;  // products: some ten microseconds of work

/// a[r · row + i · step] is of row r, b[i · stride + c] of column c.
struct Left {
  const float* at;
  int64_t row, step;
};
struct Right {
  const float* at;
  int64_t stride;
};

/// out[r · stride + c] = start[c] + Σ_i a b, or with `adds` that much more, for kLinearUnit columns.
template <int rows>
__attribute__((always_inline)) inline void product(const Left& a, const Right& b, int64_t depth,
                                                   const float* start, bool adds, float* out,
                                                   int64_t stride) {
  Vector sum[rows], right;
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    sum[r] = Vector{};
    if (start != nullptr) memcpy(&sum[r], start, sizeof right);
  }
  const float* left = a.at;
  const float* column = b.at;
  for (int64_t i = 0; i < depth; ++i, left += a.step, column += b.stride) {
    memcpy(&right, column, sizeof right);
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) sum[r] += left[r * a.row] * right;
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    if (adds) {
      memcpy(&right, out + r * stride, sizeof right);
      sum[r] += right;
    }
    memcpy(out + r * stride, &sum[r], sizeof right);
  }
}

/// The same for any number of rows and `columns`, a multiple of kLinearUnit.
ONESTEP_VECTOR_CLONES void products(Left a, int64_t rows, Right b, int64_t columns, int64_t depth,
                                    const float* start, bool adds, float* out, int64_t stride) {
  for (int64_t r = 0; r < rows;) {
    const int64_t taken = std::min(rows - r, kRows);
    for (int64_t c = 0; c < columns; c += kLinearUnit) {
      const Left left{a.at + r * a.row, a.row, a.step};
      const Right right{b.at + c, b.stride};
      const float* const from = start == nullptr ? nullptr : start + c;
      float* const to = out + r * stride + c;
      switch (taken) {
        case 6:
          product<6>(left, right, depth, from, adds, to, stride);
          break;
        case 5:
          product<5>(left, right, depth, from, adds, to, stride);
          break;
        case 4:
          product<4>(left, right, depth, from, adds, to, stride);
          break;
        case 3:
          product<3>(left, right, depth, from, adds, to, stride);
          break;
        case 2:
          product<2>(left, right, depth, from, adds, to, stride);
          break;
        default:
          product<1>(left, right, depth, from, adds, to, stride);
      }
    }
    r += taken;
  }
}

/// The fewest of what takes `products` each that are worth a thread.
int64_t grain(int64_t products) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, products));
}

/// out = x b + start, rows shared by the threads.
void multiply(int64_t rows, int64_t depth, int64_t columns, const float* x, const float* b,
              const float* start, float* out) {
  at::parallel_for(0, rows, grain(depth * columns), [&](int64_t begin, int64_t end) {
    products({x + begin * depth, depth, 1}, end - begin, {b, columns}, columns, depth, start,
             /*adds=*/false, out + begin * columns, columns);
  });
}

}  // namespace

void linear_cpu(const LinearShape& s, const float* x, const float* weight, const float* bias, float* y) {
  std::vector<float> turned(s.in * s.out);
  for (int64_t o = 0; o < s.out; ++o)
    for (int64_t i = 0; i < s.in; ++i) turned[i * s.out + o] = weight[o * s.in + i];
  multiply(s.rows, s.in, s.out, x, turned.data(), bias, y);
}

void linear_grad_x_cpu(const LinearShape& s, const float* grad_y, const float* weight, float* grad_x) {
  multiply(s.rows, s.out, s.in, grad_y, weight, nullptr, grad_x);
}

void linear_grad_weight_cpu(const LinearShape& s, const float* x, const float* grad_y, float* grad_weight) {
  if (s.rows == 0) std::fill_n(grad_weight, s.out * s.in, 0.0f);
  const int64_t units = s.in / kLinearUnit;
  at::parallel_for(0, units, grain(s.rows * s.out * kLinearUnit), [&](int64_t begin, int64_t end) {
    for (int64_t row = 0; row < s.rows; row += kPart) {
      const int64_t column = begin * kLinearUnit;
      products({grad_y + row * s.out, 1, s.out}, s.out, {x + row * s.in + column, s.in},
               (end - begin) * kLinearUnit, std::min(kPart, s.rows - row), nullptr, /*adds=*/row > 0,
               grad_weight + column, s.in);
    }
  });
}

}  // namespace onestep::kernels
