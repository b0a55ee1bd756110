// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>

#include "kernels/resize_tf1_core.h"

namespace onestep::kernels {
namespace {

/// One input row, resized in x.
void resize_row(const uint8_t* in, const std::vector<ResizeTap>& columns, float* out) {
  for (size_t j = 0; j < columns.size(); ++j) {
    const ResizeTap& tap = columns[j];
    out[j] = lerp(in[tap.low], in[tap.high], tap.weight);
  }
}

/// One output row from the two rows that it lies between.
ONESTEP_VECTOR_CLONES void blend_rows(const float* low, const float* high, float weight, int64_t width,
                                      float* out) {
  for (int64_t j = 0; j < width; ++j) out[j] = centred(lerp(low[j], high[j], weight));
}

/// One channel of one image. Each input row is resized in x once, and held while output rows need it.
void resize_plane(const uint8_t* in, const ResizeTf1Arrays& a, const std::vector<ResizeTap>& columns,
                  float* out) {
  std::vector<float> low(a.width), high(a.width);
  int64_t low_row = -1, high_row = -1;  // the input rows that they hold
  for (int64_t i = 0; i < a.height; ++i) {
    const ResizeTap tap = resize_tap(i, a.in_height, a.height);
    if (tap.low == high_row) {
      std::swap(low, high);
      std::swap(low_row, high_row);
    }
    if (tap.low != low_row) resize_row(in + tap.low * a.in_width, columns, low.data());
    if (tap.high != high_row) resize_row(in + tap.high * a.in_width, columns, high.data());
    low_row = tap.low;
    high_row = tap.high;
    blend_rows(low.data(), high.data(), tap.weight, a.width, out + i * a.width);
  }
}

}  // namespace

void resize_tf1_cpu(const ResizeTf1Arrays& a) {
  std::vector<ResizeTap> columns(a.width);
  for (int64_t j = 0; j < a.width; ++j) columns[j] = resize_tap(j, a.in_width, a.width);
  const int64_t in_size = a.in_height * a.in_width, out_size = a.height * a.width;
  at::parallel_for(0, a.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float* const out = a.out + n * 3 * out_size;
      for (int64_t c = 0; c < a.channels; ++c) {
        resize_plane(a.in + (n * a.channels + c) * in_size, a, columns, out + c * out_size);
      }
      for (int64_t c = a.channels; c < 3; ++c) std::copy_n(out, out_size, out + c * out_size);
    }
  });
}

}  // namespace onestep::kernels
