// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/bfloat16.h"

/// The arithmetic of winograd_conv.h on a few tiles, written once for vectors of `lanes` floats: all of it is
/// inlined into functions that are compiled for one set of instructions each. Images lie in memory as Real,
/// float32 or bfloat16.
namespace onestep::kernels::winograd {

#define ONESTEP_INLINE __attribute__((always_inline)) inline

constexpr int64_t kTile = 4;   ///< an output tile's side
constexpr int64_t kPatch = 6;  ///< of what it reads
constexpr int64_t kPositions = kPatch * kPatch;
constexpr int64_t kLine = 16;  ///< floats in a cache line; between positions, so that they share no cache set

constexpr int64_t rounded_up(int64_t size, int64_t unit) {
  return (size + unit - 1) / unit * unit;
}

/// Images [images, height, width, channels] and the tiles that cover them, image by image, row by row.
struct Grid {
  int64_t images, height, width, channels;
  int64_t rows() const { return (height + kTile - 1) / kTile; }
  int64_t columns() const { return (width + kTile - 1) / kTile; }
  int64_t tiles() const { return images * rows() * columns(); }
};

/// Where a tile of the output begins.
struct Corner {
  int64_t image, y, x;
};
ONESTEP_INLINE Corner corner_of(const Grid& grid, int64_t tile) {
  const int64_t row = tile / grid.columns(), column = tile % grid.columns();
  return {row / grid.rows(), row % grid.rows() * kTile, column * kTile};
}

/// A matrix [rows, columns] for each position, in panels of two vectors of columns (the last may be one),
/// each [position, row, column]: what the inner loop of a product reads lies together.
struct Panels {
  int64_t rows, columns, lanes;
  int64_t count() const { return (columns + 2 * lanes - 1) / (2 * lanes); }
  int64_t vectors(int64_t panel) const { return columns - panel * 2 * lanes > lanes ? 2 : 1; }
  int64_t position_stride() const { return rows * 2 * lanes + kLine; }
  int64_t at(int64_t panel, int64_t position) const {
    return (panel * kPositions + position) * position_stride();
  }
  int64_t size() const { return at(count(), 0); }
};

/// Numbers for each position of `tiles` tiles, [position, tile, channel], channels rounded up to vectors.
struct Patches {
  int64_t tiles, stride;
  Patches(int64_t count, int64_t channels, int64_t lanes)
      : tiles(count), stride(rounded_up(channels, lanes)) {}
  int64_t position_stride() const { return tiles * stride + kLine; }
  int64_t size() const { return kPositions * position_stride(); }
};

/// Weights of which w[row · row_stride + column · column_stride + tap · tap_stride] is one, taps in reverse
/// order if turned.
struct WeightView {
  int64_t rows, row_stride, column_stride, tap_stride;
  bool turned = false;
};

/// A convolution whose weights are transformed: blocks of `block` tiles are worked on at a time.
template <class Real>
struct Convolution {
  Grid in, out;
  const Real* x;
  const float *weights, *bias;  ///< bias may be null
  Real* y;
  Panels panels;
  int64_t block;
};

template <int lanes>
struct Arithmetic {
  typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

  static constexpr int64_t kLanes = lanes;
  /// Rows of a product that are summed at a time, with two vectors each: as many as there are registers for.
  static constexpr int kRows = lanes == 16 ? 12 : 6;
  static constexpr int kRowUnit = kRows / 3;

  static constexpr float kHalfRoot = 0.70710678f;  // √½ = 1/√2
  static constexpr float kRoot = 1.41421356f;      // √2

  static ONESTEP_INLINE Vector load(const float* p) {
    Vector v;
    memcpy(&v, p, sizeof v);
    return v;
  }
  /// The first `count` of a vector, then zeros.
  static ONESTEP_INLINE Vector load(const float* p, int64_t count) {
    if (count >= lanes) return load(p);
    Vector v{};
    memcpy(&v, p, count * sizeof(float));
    return v;
  }
  static ONESTEP_INLINE void store(float* p, const Vector& v) { memcpy(p, &v, sizeof v); }
  static ONESTEP_INLINE void store(float* p, const Vector& v, int64_t count) {
    if (count >= lanes) return store(p, v);
    memcpy(p, &v, count * sizeof(float));
  }

  // The same of bfloat16.
  static ONESTEP_INLINE Vector load(const BFloat16* p, int64_t count = lanes) {
    BFloat16 narrow_ones[lanes] = {};
    float wide_ones[lanes];
    memcpy(narrow_ones, p, (count < lanes ? count : lanes) * sizeof(BFloat16));
    for (int i = 0; i < lanes; ++i) wide_ones[i] = widened(narrow_ones[i]);
    return load(wide_ones);
  }
  static ONESTEP_INLINE void store(BFloat16* p, const Vector& v, int64_t count = lanes) {
    float wide_ones[lanes];
    BFloat16 narrow_ones[lanes];
    store(wide_ones, v);
    for (int i = 0; i < lanes; ++i) narrow(wide_ones[i], narrow_ones[i]);
    memcpy(p, narrow_ones, (count < lanes ? count : lanes) * sizeof(BFloat16));
  }

  // The transforms along one axis. A position is a point: 0, √½, −√½, √2, −√2, ∞.

  /// Bᵀ d: six pixels to six positions.
  static ONESTEP_INLINE void from_pixels(const Vector (&d)[6], Vector (&out)[6]) {
    const Vector near = d[4] - 2.0f * d[2], near_odd = kHalfRoot * d[3] - kRoot * d[1];
    const Vector far = d[4] - 0.5f * d[2], far_odd = kRoot * d[3] - kHalfRoot * d[1];
    out[0] = d[0] - 2.5f * d[2] + d[4];
    out[1] = near + near_odd;
    out[2] = near - near_odd;
    out[3] = far + far_odd;
    out[4] = far - far_odd;
    out[5] = d[1] - 2.5f * d[3] + d[5];
  }
  /// Aᵀ m: six positions to four outputs.
  static ONESTEP_INLINE void to_outputs(const Vector (&m)[6], Vector (&out)[4]) {
    const Vector near = m[1] + m[2], near_odd = m[1] - m[2], far = m[3] + m[4], far_odd = m[3] - m[4];
    out[0] = m[0] + near + far;
    out[1] = kHalfRoot * near_odd + kRoot * far_odd;
    out[2] = 0.5f * near + 2.0f * far;
    out[3] = 0.5f * kHalfRoot * near_odd + 2.0f * kRoot * far_odd + m[5];
  }
  /// A y, the adjoint of to_outputs.
  static ONESTEP_INLINE void from_outputs(const Vector (&y)[4], Vector (&out)[6]) {
    const Vector near = y[0] + 0.5f * y[2], near_odd = kHalfRoot * y[1] + 0.5f * kHalfRoot * y[3];
    const Vector far = y[0] + 2.0f * y[2], far_odd = kRoot * y[1] + 2.0f * kRoot * y[3];
    out[0] = y[0];
    out[1] = near + near_odd;
    out[2] = near - near_odd;
    out[3] = far + far_odd;
    out[4] = far - far_odd;
    out[5] = y[3];
  }
  /// G g: three taps to six positions.
  static ONESTEP_INLINE void from_taps(const Vector (&g)[3], Vector (&out)[6]) {
    const Vector near = -2.0f / 3 * g[0] - 1.0f / 3 * g[2], near_odd = -kRoot / 3 * g[1];
    const Vector far = 1.0f / 6 * g[0] + 1.0f / 3 * g[2], far_odd = kRoot / 6 * g[1];
    out[0] = g[0];
    out[1] = near + near_odd;
    out[2] = near - near_odd;
    out[3] = far + far_odd;
    out[4] = far - far_odd;
    out[5] = g[2];
  }
  /// Gᵀ u, the adjoint of from_taps.
  static ONESTEP_INLINE void to_taps(const Vector (&u)[6], Vector (&out)[3]) {
    const Vector near = u[1] + u[2], far = u[3] + u[4];
    out[0] = u[0] - 2.0f / 3 * near + 1.0f / 6 * far;
    out[1] = kRoot / 6 * (u[3] - u[4]) - kRoot / 3 * (u[1] - u[2]);
    out[2] = 1.0f / 3 * (far - near) + u[5];
  }

  // The same along both axes: of each column, then of each row.

  template <int from, int to, void (*along)(const Vector (&)[from], Vector (&)[to])>
  static ONESTEP_INLINE void both(const Vector (&in)[from][from], Vector (&out)[to][to]) {
    Vector half[to][from];
#pragma GCC unroll 6
    for (int x = 0; x < from; ++x) {
      Vector column[from], result[to];
#pragma GCC unroll 6
      for (int y = 0; y < from; ++y) column[y] = in[y][x];
      along(column, result);
#pragma GCC unroll 6
      for (int y = 0; y < to; ++y) half[y][x] = result[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < to; ++y) along(half[y], out[y]);
  }

  /// G w Gᵀ of one panel.
  static ONESTEP_INLINE void transform_weights(const float* w, const WeightView& view, const Panels& panels,
                                               int64_t panel, float* u) {
    float* const out = u + panels.at(panel, 0);
    const int64_t vectors = panels.vectors(panel), stride = panels.position_stride();
    for (int64_t row = 0; row < view.rows; ++row) {
      for (int64_t v = 0; v < vectors; ++v) {
        const int64_t begin = (panel * 2 + v) * lanes;
        const int64_t count = std::min<int64_t>(lanes, panels.columns - begin);
        float gathered[9][lanes];
        if (count < lanes) memset(gathered, 0, sizeof gathered);
        for (int64_t j = 0; j < count; ++j) {
          const float* const taps = w + row * view.row_stride + (begin + j) * view.column_stride;
          for (int tap = 0; tap < 9; ++tap)
            gathered[tap][j] = taps[(view.turned ? 8 - tap : tap) * view.tap_stride];
        }
        Vector g[3][3], result[6][6];
        memcpy(&g, gathered, sizeof g);
        both<3, 6, from_taps>(g, result);
#pragma GCC unroll 36
        for (int p = 0; p < kPositions; ++p)
          store(out + p * stride + (row * vectors + v) * lanes, result[p / 6][p % 6]);
      }
    }
  }

  /// Gᵀ u G of one panel: the gradient of the weights.
  static ONESTEP_INLINE void transform_back(const float* u, const WeightView& view, const Panels& panels,
                                            int64_t panel, float* w) {
    const float* const in = u + panels.at(panel, 0);
    const int64_t vectors = panels.vectors(panel), stride = panels.position_stride();
    for (int64_t row = 0; row < view.rows; ++row) {
      for (int64_t v = 0; v < vectors; ++v) {
        Vector m[6][6], g[3][3];
#pragma GCC unroll 36
        for (int p = 0; p < kPositions; ++p)
          m[p / 6][p % 6] = load(in + p * stride + (row * vectors + v) * lanes);
        both<6, 3, to_taps>(m, g);
        float taps[9][lanes];
        memcpy(taps, &g, sizeof taps);
        const int64_t begin = (panel * 2 + v) * lanes;
        const int64_t count = std::min<int64_t>(lanes, panels.columns - begin);
        for (int64_t j = 0; j < count; ++j)
          for (int tap = 0; tap < 9; ++tap)
            w[row * view.row_stride + (begin + j) * view.column_stride + tap * view.tap_stride] =
                taps[tap][j];
      }
    }
  }

  /// What a tile's transform reads: rows of pixels, and which columns are inside the image.
  template <int size, class Real>
  struct Window {
    const Real* rows[size];
    bool inside[size];
    int64_t channels;
  };
  /// `zeros` holds size pixels and a vector of them, for rows outside.
  template <int size, class Real>
  static ONESTEP_INLINE Window<size, Real> window_at(const Real* x, const Grid& grid, int64_t tile,
                                                     int64_t border, const float* zeros) {
    const Corner corner = corner_of(grid, tile);
    const int64_t left = corner.x - border, top = corner.y - border;
    Window<size, Real> window{.channels = grid.channels};
    for (int i = 0; i < size; ++i) {
      const bool is_row = top + i >= 0 && top + i < grid.height;
      window.inside[i] = left + i >= 0 && left + i < grid.width;
      window.rows[i] = is_row
                           ? x + ((corner.image * grid.height + top + i) * grid.width + left) * grid.channels
                           : reinterpret_cast<const Real*>(zeros);
    }
    return window;
  }

  template <int size, void (*along)(const Vector (&)[size], Vector (&)[6]), bool whole, class Real>
  static ONESTEP_INLINE void transform_window(const Window<size, Real>& window, int64_t c, float* out,
                                              int64_t position_stride) {
    Vector half[6][size];
#pragma GCC unroll 6
    for (int x = 0; x < size; ++x) {
      Vector column[size] = {}, result[6];
      if (window.inside[x]) {
#pragma GCC unroll 6
        for (int y = 0; y < size; ++y) {
          const Real* const pixel = window.rows[y] + x * window.channels + c;
          column[y] = whole ? load(pixel) : load(pixel, window.channels - c);
        }
      }
      along(column, result);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) half[i][x] = result[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      Vector result[6];
      along(half[i], result);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) store(out + (i * 6 + j) * position_stride + c, result[j]);
    }
  }

  /// The transform of `size` × `size` pixels from `border` above and left of each tile's corner; what lies
  /// outside the image is zero.
  template <int size, int border, void (*along)(const Vector (&)[size], Vector (&)[6]), class Real>
  static ONESTEP_INLINE void transform_tiles(const Real* x, const Grid& grid, int64_t first, int64_t count,
                                             const float* zeros, const Patches& patches, float* out) {
    const int64_t stride = patches.position_stride();
    for (int64_t tile = 0; tile < count; ++tile, out += patches.stride) {
      const Window<size, Real> window = window_at<size>(x, grid, first + tile, border, zeros);
      int64_t c = 0;
      for (; c + lanes <= grid.channels; c += lanes)
        transform_window<size, along, true>(window, c, out, stride);
      if (c < grid.channels) transform_window<size, along, false>(window, c, out, stride);
    }
  }
  /// Bᵀ x B: what the tiles of an input read.
  template <class Real>
  static ONESTEP_INLINE void read_patches(const Real* x, const Grid& grid, int64_t first, int64_t count,
                                          const float* zeros, const Patches& patches, float* out) {
    transform_tiles<6, 1, from_pixels>(x, grid, first, count, zeros, patches, out);
  }
  /// A y Aᵀ: what comes back from the tiles of an output.
  template <class Real>
  static ONESTEP_INLINE void read_outputs(const Real* y, const Grid& grid, int64_t first, int64_t count,
                                          const float* zeros, const Patches& patches, float* out) {
    transform_tiles<4, 0, from_outputs>(y, grid, first, count, zeros, patches, out);
  }

  /// out[r] (+)= Σ_i a[r · row + i · step] b[i · b_stride], in the order of i: a row's sums do not depend on
  /// the other rows.
  template <int rows, int vectors, bool adds>
  static ONESTEP_INLINE void product(const float* a, int64_t row, int64_t step, const float* b,
                                     int64_t b_stride, int64_t depth, float* out, int64_t out_stride) {
    Vector sum[rows][vectors] = {};
    for (int64_t i = 0; i < depth; ++i) {
      Vector right[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) right[v] = load(b + i * b_stride + v * lanes);
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r) {
        const Vector left = a[r * row + i * step] - Vector{};  // in all lanes; x − 0 is x
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[r][v] += left * right[v];
      }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        float* const at = out + r * out_stride + v * lanes;
        store(at, adds ? load(at) + sum[r][v] : sum[r][v]);
      }
    }
  }

  /// The same for `count` rows, a multiple of kRowUnit, and one panel's vectors.
  template <bool adds>
  static ONESTEP_INLINE void products(const float* a, int64_t row, int64_t step, int64_t count,
                                      const float* b, int64_t b_stride, int64_t vectors, int64_t depth,
                                      float* out, int64_t out_stride) {
    vectors == 2 ? products<2, adds>(a, row, step, count, b, b_stride, depth, out, out_stride)
                 : products<1, adds>(a, row, step, count, b, b_stride, depth, out, out_stride);
  }
  template <int vectors, bool adds>
  static ONESTEP_INLINE void products(const float* a, int64_t row, int64_t step, int64_t count,
                                      const float* b, int64_t b_stride, int64_t depth, float* out,
                                      int64_t out_stride) {
    int64_t r = 0;
    for (; r + kRows <= count; r += kRows)
      product<kRows, vectors, adds>(a + r * row, row, step, b, b_stride, depth, out + r * out_stride,
                                    out_stride);
    if (r + 2 * kRowUnit <= count) {
      product<2 * kRowUnit, vectors, adds>(a + r * row, row, step, b, b_stride, depth, out + r * out_stride,
                                           out_stride);
    } else if (r < count) {
      product<kRowUnit, vectors, adds>(a + r * row, row, step, b, b_stride, depth, out + r * out_stride,
                                       out_stride);
    }
  }

  /// Aᵀ m A + bias of one tile and vector of channels; m is [position, ...]. What lies outside is left out.
  template <class Real>
  static ONESTEP_INLINE void write_outputs(const float* m, int64_t position_stride, const Vector& bias,
                                           const Grid& grid, int64_t tile, int64_t channel, Real* y) {
    Vector sums[6][6], outputs[4][4];
#pragma GCC unroll 36
    for (int p = 0; p < kPositions; ++p) sums[p / 6][p % 6] = load(m + p * position_stride);
    both<6, 4, to_outputs>(sums, outputs);
    const Corner corner = corner_of(grid, tile);
    const int64_t height = std::min(kTile, grid.height - corner.y),
                  width = std::min(kTile, grid.width - corner.x);
    Real* const out = y + ((corner.image * grid.height + corner.y) * grid.width + corner.x) * grid.channels;
#pragma GCC unroll 4
    for (int64_t i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
      for (int64_t j = 0; j < kTile; ++j) {
        if (i < height && j < width)
          store(out + (i * grid.width + j) * grid.channels + channel, outputs[i][j] + bias,
                grid.channels - channel);
      }
    }
  }

  /// The convolution's tiles [first, first + count).
  template <class Real>
  static ONESTEP_INLINE void convolve(const Convolution<Real>& call, int64_t first, int64_t count,
                                      float* scratch) {
    const Patches patches(call.block, call.in.channels, lanes);
    const int64_t whole = rounded_up(count, kRowUnit), position_stride = patches.position_stride();
    float* const sums = scratch;
    float* const zeros = sums + kPositions * kRows * 2 * lanes;
    float* const read = zeros + kPatch * patches.stride;
    memset(zeros, 0, kPatch * patches.stride * sizeof(float));
    read_patches(call.x, call.in, first, count, zeros, patches, read);
    for (int64_t p = 0; p < kPositions; ++p) {
      memset(read + p * position_stride + count * patches.stride, 0,
             (whole - count) * patches.stride * sizeof(float));
    }
    for (int64_t panel = 0; panel < call.panels.count(); ++panel) {
      const int64_t vectors = call.panels.vectors(panel), width = vectors * lanes;
      for (int64_t begin = 0; begin < count; begin += kRows) {
        const int64_t rows = std::min<int64_t>(kRows, whole - begin);
        for (int64_t p = 0; p < kPositions; ++p) {
          products<false>(read + p * position_stride + begin * patches.stride, patches.stride, 1, rows,
                          call.weights + call.panels.at(panel, p), width, vectors, call.panels.rows,
                          sums + p * kRows * width, width);
        }
        for (int64_t v = 0; v < vectors; ++v) {
          const int64_t channel = panel * 2 * lanes + v * lanes;
          const Vector bias =
              call.bias == nullptr ? Vector{} : load(call.bias + channel, call.out.channels - channel);
          for (int64_t row = 0; row < std::min<int64_t>(rows, count - begin); ++row) {
            write_outputs(sums + row * width + v * lanes, kRows * width, bias, call.out, first + begin + row,
                          channel, call.y);
          }
        }
      }
    }
  }

  /// One position of the weights' gradient: grad (+)= Σ_tiles read · come_back, += if adds.
  static ONESTEP_INLINE void correlate(const float* read, const Patches& in, const float* come_back,
                                       const Patches& out, int64_t count, const Panels& panels,
                                       int64_t position, bool adds, float* grad) {
    for (int64_t panel = 0; panel < panels.count(); ++panel) {
      const int64_t vectors = panels.vectors(panel);
      const float* const left = read + position * in.position_stride();
      const float* const right = come_back + position * out.position_stride() + panel * 2 * lanes;
      float* const sums = grad + panels.at(panel, position);
      adds ? products<true>(left, 1, in.stride, panels.rows, right, out.stride, vectors, count, sums,
                            vectors * lanes)
           : products<false>(left, 1, in.stride, panels.rows, right, out.stride, vectors, count, sums,
                             vectors * lanes);
    }
  }
};

}  // namespace onestep::kernels::winograd
