// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/bfloat16.h"
#include "kernels/winograd_axis.h"

/// The arithmetic of winograd_conv.h on a few tiles, written once for vectors of `lanes` floats: all of it is
/// inlined into functions that are compiled for one set of instructions each. Images lie in memory as Real,
/// float32 or bfloat16.
namespace onestep::kernels::winograd {

constexpr int64_t kMostTiles = 96;  ///< that are worked on at a time
constexpr int64_t kLine = 16;  ///< floats in a cache line; between positions, so that they share no cache set

constexpr int64_t rounded_up(int64_t size, int64_t unit) {
  return (size + unit - 1) / unit * unit;
}

/// A convolution's algorithm: F(tile, taps) down and across.
template <int tile_down, int taps_down, int tile_across, int taps_across>
struct Plane {
  static constexpr int kTileDown = tile_down, kTapsDown = taps_down;
  static constexpr int kTileAcross = tile_across, kTapsAcross = taps_across;
  static constexpr int kPatchDown = tile_down + taps_down - 1, kPatchAcross = tile_across + taps_across - 1;
  static constexpr int kPositions = kPatchDown * kPatchAcross, kTaps = taps_down * taps_across;
};
using Square3 = Plane<4, 3, 4, 3>;

/// Images [images, height, width, channels].
struct Grid {
  int64_t images, height, width, channels;
};

/// Where a tile of the output begins.
struct Corner {
  int64_t image, y, x;
};

/// The tiles that cover a grid, image by image, row by row.
template <class P>
struct Tiling {
  int64_t rows, columns, images;
  explicit Tiling(const Grid& grid)
      : rows((grid.height + P::kTileDown - 1) / P::kTileDown),
        columns((grid.width + P::kTileAcross - 1) / P::kTileAcross),
        images(grid.images) {}
  int64_t tiles() const { return images * rows * columns; }
  /// Of the tiles [first, first + count).
  ONESTEP_INLINE void corners(int64_t first, int64_t count, Corner* out) const {
    int64_t column = first % columns, row = first / columns % rows, image = first / columns / rows;
    for (int64_t i = 0; i < count; ++i) {
      out[i] = {image, row * P::kTileDown, column * P::kTileAcross};
      if (++column < columns) continue;
      column = 0;
      if (++row < rows) continue;
      row = 0;
      ++image;
    }
  }
};

/// A matrix [rows, columns] for each position, in panels of two vectors of columns (the last may be one),
/// each [position, row, column]: what the inner loop of a product reads lies together.
struct Panels {
  int64_t rows, columns, lanes, positions;
  int64_t count() const { return (columns + 2 * lanes - 1) / (2 * lanes); }
  int64_t vectors(int64_t panel) const { return columns - panel * 2 * lanes > lanes ? 2 : 1; }
  int64_t position_stride() const { return rows * 2 * lanes + kLine; }
  int64_t at(int64_t panel, int64_t position) const {
    return (panel * positions + position) * position_stride();
  }
  int64_t size() const { return at(count(), 0); }
};

/// Numbers for each position of `tiles` tiles, [position, tile, channel], channels rounded up to vectors.
struct Patches {
  int64_t tiles, stride, positions;
  Patches(int64_t count, int64_t channels, int64_t lanes, int64_t places)
      : tiles(count), stride(rounded_up(channels, lanes)), positions(places) {}
  int64_t position_stride() const { return tiles * stride + kLine; }
  int64_t size() const { return positions * position_stride(); }
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
  int64_t border_down, border_across;  ///< zeros above and left of the image
  const Real* x;
  const float *weights, *bias;  ///< bias may be null
  float least;                  ///< smaller outputs become this: 0 is ReLU, −∞ none
  Real* y;
  Panels panels;
  int64_t block;
};

/// A transform as an argument.
#define ONESTEP_ALONG(transform)                                 \
  [](const auto& in, auto& out) __attribute__((always_inline)) { \
    transform(in, out);                                          \
  }

template <int lanes>
struct Arithmetic {
  typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

  static constexpr int64_t kLanes = lanes;
  /// Rows of a product that are summed at a time, with two vectors each: as many as there are registers for.
  static constexpr int kRows = lanes == 16 ? 12 : 6;
  static constexpr int kRowUnit = kRows / 3;

  template <class P>
  using Down = Axis<lanes, P::kTileDown, P::kTapsDown>;
  template <class P>
  using Across = Axis<lanes, P::kTileAcross, P::kTapsAcross>;

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

  /// A transform of each column, then one of each row.
  template <int from_down, int from_across, int to_down, int to_across, class AlongColumn, class AlongRow>
  static ONESTEP_INLINE void both(const Vector (&in)[from_down][from_across],
                                  Vector (&out)[to_down][to_across], const AlongColumn& down,
                                  const AlongRow& across) {
    Vector half[to_down][from_across];
#pragma GCC unroll 16
    for (int x = 0; x < from_across; ++x) {
      Vector column[from_down], result[to_down];
#pragma GCC unroll 16
      for (int y = 0; y < from_down; ++y) column[y] = in[y][x];
      down(column, result);
#pragma GCC unroll 16
      for (int y = 0; y < to_down; ++y) half[y][x] = result[y];
    }
#pragma GCC unroll 16
    for (int y = 0; y < to_down; ++y) across(half[y], out[y]);
  }

  /// G w Gᵀ of one panel.
  template <class P>
  static ONESTEP_INLINE void transform_weights(const float* w, const WeightView& view, const Panels& panels,
                                               int64_t panel, float* u) {
    float* const out = u + panels.at(panel, 0);
    const int64_t vectors = panels.vectors(panel), stride = panels.position_stride();
    for (int64_t row = 0; row < view.rows; ++row) {
      for (int64_t v = 0; v < vectors; ++v) {
        const int64_t begin = (panel * 2 + v) * lanes;
        const int64_t count = std::min<int64_t>(lanes, panels.columns - begin);
        float gathered[P::kTaps][lanes];
        if (count < lanes) memset(gathered, 0, sizeof gathered);
        for (int64_t j = 0; j < count; ++j) {
          const float* const taps = w + row * view.row_stride + (begin + j) * view.column_stride;
          for (int tap = 0; tap < P::kTaps; ++tap)
            gathered[tap][j] = taps[(view.turned ? P::kTaps - 1 - tap : tap) * view.tap_stride];
        }
        Vector g[P::kTapsDown][P::kTapsAcross], result[P::kPatchDown][P::kPatchAcross];
        memcpy(&g, gathered, sizeof g);
        both(g, result, ONESTEP_ALONG(Down<P>::from_taps), ONESTEP_ALONG(Across<P>::from_taps));
#pragma GCC unroll 36
        for (int p = 0; p < P::kPositions; ++p)
          store(out + p * stride + (row * vectors + v) * lanes,
                result[p / P::kPatchAcross][p % P::kPatchAcross]);
      }
    }
  }

  /// Gᵀ u G of one panel: the gradient of the weights.
  template <class P>
  static ONESTEP_INLINE void transform_back(const float* u, const WeightView& view, const Panels& panels,
                                            int64_t panel, float* w) {
    const float* const in = u + panels.at(panel, 0);
    const int64_t vectors = panels.vectors(panel), stride = panels.position_stride();
    for (int64_t row = 0; row < view.rows; ++row) {
      for (int64_t v = 0; v < vectors; ++v) {
        Vector m[P::kPatchDown][P::kPatchAcross], g[P::kTapsDown][P::kTapsAcross];
#pragma GCC unroll 36
        for (int p = 0; p < P::kPositions; ++p)
          m[p / P::kPatchAcross][p % P::kPatchAcross] = load(in + p * stride + (row * vectors + v) * lanes);
        both(m, g, ONESTEP_ALONG(Down<P>::to_taps), ONESTEP_ALONG(Across<P>::to_taps));
        float taps[P::kTaps][lanes];
        memcpy(taps, &g, sizeof taps);
        const int64_t begin = (panel * 2 + v) * lanes;
        const int64_t count = std::min<int64_t>(lanes, panels.columns - begin);
        for (int64_t j = 0; j < count; ++j)
          for (int tap = 0; tap < P::kTaps; ++tap)
            w[row * view.row_stride + (begin + j) * view.column_stride + tap * view.tap_stride] =
                taps[tap][j];
      }
    }
  }

  /// What a tile's transform reads: rows of pixels, and which columns are inside the image. A row outside
  /// reads the same zeros for each of its pixels.
  template <int height, int width, class Real>
  struct Window {
    const Real* rows[height];
    int64_t steps[height];
    bool inside[width];
    int64_t channels;
  };
  template <int height, int width, class Real>
  static ONESTEP_INLINE Window<height, width, Real> window_at(const Real* x, const Grid& grid, int64_t image,
                                                              int64_t top, int64_t left, const float* zeros) {
    Window<height, width, Real> window;
    window.channels = grid.channels;
    for (int y = 0; y < height; ++y) {
      const bool inside = top + y >= 0 && top + y < grid.height;
      window.steps[y] = inside ? grid.channels : 0;
      window.rows[y] = inside ? x + ((image * grid.height + top + y) * grid.width + left) * grid.channels
                              : reinterpret_cast<const Real*>(zeros);
    }
    for (int i = 0; i < width; ++i) window.inside[i] = left + i >= 0 && left + i < grid.width;
    return window;
  }

  template <bool whole, int height, int width, class Real>
  static ONESTEP_INLINE void load_window(const Window<height, width, Real>& window, int64_t c,
                                         Vector (&pixels)[height][width]) {
#pragma GCC unroll 16
    for (int x = 0; x < width; ++x) {
#pragma GCC unroll 16
      for (int y = 0; y < height; ++y) {
        const Real* const pixel = window.rows[y] + x * window.steps[y] + c;
        pixels[y][x] = !window.inside[x] ? Vector{} : whole ? load(pixel) : load(pixel, window.channels - c);
      }
    }
  }

  /// The transforms of what tiles with these corners see, a window that begins `up` above and `left` of the
  /// corner; what lies outside the image is zero.
  template <int height, int width, int down, int across, class Real, class AlongColumn, class AlongRow>
  static ONESTEP_INLINE void transform_windows(const Real* x, const Grid& grid, const Corner* corners,
                                               int64_t count, int64_t up, int64_t left, const float* zeros,
                                               const Patches& patches, float* out,
                                               const AlongColumn& along_column, const AlongRow& along_row) {
    const int64_t stride = patches.position_stride();
    for (int64_t tile = 0; tile < count; ++tile, out += patches.stride) {
      const Corner& corner = corners[tile];
      const auto window =
          window_at<height, width>(x, grid, corner.image, corner.y - up, corner.x - left, zeros);
      for (int64_t c = 0; c < grid.channels; c += lanes) {
        Vector pixels[height][width], result[down][across];
        grid.channels - c >= lanes ? load_window<true>(window, c, pixels)
                                   : load_window<false>(window, c, pixels);
        both(pixels, result, along_column, along_row);
#pragma GCC unroll 36
        for (int p = 0; p < down * across; ++p) store(out + p * stride + c, result[p / across][p % across]);
      }
    }
  }
  /// Bᵀ x B: what the tiles of an output read of the input.
  template <class P, class Real>
  static ONESTEP_INLINE void read_patches(const Real* x, const Grid& grid, const Corner* corners,
                                          int64_t count, int64_t up, int64_t left, const float* zeros,
                                          const Patches& patches, float* out) {
    transform_windows<P::kPatchDown, P::kPatchAcross, P::kPatchDown, P::kPatchAcross>(
        x, grid, corners, count, up, left, zeros, patches, out, ONESTEP_ALONG(Down<P>::from_pixels),
        ONESTEP_ALONG(Across<P>::from_pixels));
  }
  /// A y Aᵀ: what comes back from the tiles of an output.
  template <class P, class Real>
  static ONESTEP_INLINE void read_outputs(const Real* y, const Grid& grid, const Corner* corners,
                                          int64_t count, const float* zeros, const Patches& patches,
                                          float* out) {
    transform_windows<P::kTileDown, P::kTileAcross, P::kPatchDown, P::kPatchAcross>(
        y, grid, corners, count, 0, 0, zeros, patches, out, ONESTEP_ALONG(Down<P>::from_outputs),
        ONESTEP_ALONG(Across<P>::from_outputs));
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
  template <class P, bool whole, class Real>
  static ONESTEP_INLINE void write_outputs(const float* m, int64_t position_stride, const Vector& bias,
                                           const Convolution<Real>& call, const Corner& corner,
                                           int64_t channel) {
    Vector sums[P::kPatchDown][P::kPatchAcross], outputs[P::kTileDown][P::kTileAcross];
#pragma GCC unroll 36
    for (int p = 0; p < P::kPositions; ++p)
      sums[p / P::kPatchAcross][p % P::kPatchAcross] = load(m + p * position_stride);
    both(sums, outputs, ONESTEP_ALONG(Down<P>::to_outputs), ONESTEP_ALONG(Across<P>::to_outputs));
    const Grid& grid = call.out;
    const int64_t height = grid.height - corner.y, width = grid.width - corner.x;
    Real* const out =
        call.y + ((corner.image * grid.height + corner.y) * grid.width + corner.x) * grid.channels;
    const Vector least = call.least - Vector{};
#pragma GCC unroll 4
    for (int64_t i = 0; i < P::kTileDown; ++i) {
#pragma GCC unroll 4
      for (int64_t j = 0; j < P::kTileAcross; ++j) {
        if (i >= height || j >= width) continue;
        const Vector sum = outputs[i][j] + bias, y = sum < least ? least : sum;  // a NaN stays one
        Real* const pixel = out + (i * grid.width + j) * grid.channels + channel;
        whole ? store(pixel, y) : store(pixel, y, grid.channels - channel);
      }
    }
  }

  /// The convolution's tiles [first, first + count).
  template <class P, class Real>
  static ONESTEP_INLINE void convolve(const Convolution<Real>& call, int64_t first, int64_t count,
                                      float* scratch) {
    const Patches patches(call.block, call.in.channels, lanes, P::kPositions);
    const int64_t whole = rounded_up(count, kRowUnit), position_stride = patches.position_stride();
    float* const sums = scratch;
    float* const zeros = sums + P::kPositions * kRows * 2 * lanes;
    float* const read = zeros + patches.stride;
    memset(zeros, 0, patches.stride * sizeof(float));
    Corner corners[kMostTiles];
    Tiling<P>(call.out).corners(first, count, corners);
    read_patches<P>(call.x, call.in, corners, count, call.border_down, call.border_across, zeros, patches,
                    read);
    for (int64_t p = 0; p < P::kPositions; ++p) {
      memset(read + p * position_stride + count * patches.stride, 0,
             (whole - count) * patches.stride * sizeof(float));
    }
    for (int64_t panel = 0; panel < call.panels.count(); ++panel) {
      const int64_t vectors = call.panels.vectors(panel), width = vectors * lanes;
      for (int64_t begin = 0; begin < count; begin += kRows) {
        const int64_t rows = std::min<int64_t>(kRows, whole - begin);
        for (int64_t p = 0; p < P::kPositions; ++p) {
          products<false>(read + p * position_stride + begin * patches.stride, patches.stride, 1, rows,
                          call.weights + call.panels.at(panel, p), width, vectors, call.panels.rows,
                          sums + p * kRows * width, width);
        }
        for (int64_t v = 0; v < vectors; ++v) {
          const int64_t channel = panel * 2 * lanes + v * lanes, rest = call.out.channels - channel;
          const Vector bias = call.bias == nullptr ? Vector{} : load(call.bias + channel, rest);
          for (int64_t row = 0; row < std::min<int64_t>(rows, count - begin); ++row) {
            const float* const m = sums + row * width + v * lanes;
            const Corner& corner = corners[begin + row];
            rest >= lanes ? write_outputs<P, true>(m, kRows * width, bias, call, corner, channel)
                          : write_outputs<P, false>(m, kRows * width, bias, call, corner, channel);
          }
        }
      }
    }
  }

  /// One position of the weights' gradient: grad (+)= Σ_tiles read · come_back, += if adds.
  template <class P>
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

#undef ONESTEP_ALONG

}  // namespace onestep::kernels::winograd
