// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

/// Winograd's F(tile, taps) along one axis (Lavin & Gray 2016, arXiv:1509.09308): `tile` outputs of a
/// correlation with `taps` weights from a patch of tile + taps − 1 pixels, by as many products,
///
///   y = Aᵀ [(G g) ⊙ (Bᵀ d)],
///
/// as polynomials are multiplied by their values at points: 0, pairs ±p, and ∞, in this order. The matrices
/// of all sizes follow from the points (Toom and Cook), and pairs share their even and odd halves.
namespace onestep::kernels::winograd {

#define ONESTEP_INLINE __attribute__((always_inline)) inline

/// The positive points of so many pairs: of those found by search whose float32 results are nearest to exact
/// ones. Four are eighths, so that float32 holds the coefficients of Bᵀ and Aᵀ exactly, which halves the part
/// of the error that does not average out over images.
template <int pairs>
inline constexpr std::array<double, pairs> kPoints{};
template <>
inline constexpr std::array<double, 2> kPoints<2>{0.70710678118654752, 1.41421356237309505};
template <>
inline constexpr std::array<double, 4> kPoints<4>{0.375, 0.75, 1.25, 2.125};

template <int tile, int taps>
struct AxisTable {
  static constexpr int kPatch = tile + taps - 1, kPairs = kPatch / 2 - 1;
  static_assert(kPatch == 2 * kPairs + 2 && kPairs > 0, "a patch has 0, pairs of points, and infinity");

  float all[kPairs + 1] = {};       ///< ∏ (z − p²) over the pairs, z = x²
  float even[kPairs][kPairs] = {};  ///< the same without one pair
  float odd[kPairs][kPairs] = {};   ///< p times that
  float power[kPairs][tile] = {};   ///< pᵗ
  float weight[kPairs][taps] = {};  ///< pʲ over the product of p's distances to the other finite points
  float weight_at_zero = 0;

  constexpr AxisTable() {
    double product[kPairs + 1] = {1};
    for (const double p : kPoints<kPairs>) multiply(product, p);
    for (int j = 0; j <= kPairs; ++j) all[j] = static_cast<float>(product[j]);
    weight_at_zero = static_cast<float>(1 / product[0]);
    for (int i = 0; i < kPairs; ++i) {
      const double p = kPoints<kPairs>[i];
      double others[kPairs + 1] = {1}, distance = 2 * p * p;
      for (int k = 0; k < kPairs; ++k) {
        const double other = kPoints<kPairs>[k];
        if (k == i) continue;
        multiply(others, other);
        distance *= p * p - other * other;
      }
      for (int j = 0; j < kPairs; ++j) {
        even[i][j] = static_cast<float>(others[j]);
        odd[i][j] = static_cast<float>(p * others[j]);
      }
      double to_the = 1;
      for (int t = 0; t < tile || t < taps; ++t, to_the *= p) {
        if (t < tile) power[i][t] = static_cast<float>(to_the);
        if (t < taps) weight[i][t] = static_cast<float>(to_the / distance);
      }
    }
  }

  /// Times (z − p²); coefficients from z⁰ on.
  static constexpr void multiply(double (&polynomial)[kPairs + 1], double p) {
    for (int j = kPairs; j >= 0; --j) polynomial[j] = (j > 0 ? polynomial[j - 1] : 0) - p * p * polynomial[j];
  }
};

/// The transforms on vectors of `lanes` floats, and their adjoints.
template <int lanes, int tile, int taps>
struct Axis {
  typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));
  static constexpr AxisTable<tile, taps> kTable{};
  static constexpr int kTile = tile, kTaps = taps, kPatch = kTable.kPatch, kPairs = kTable.kPairs;

  /// Bᵀ d: a patch of pixels to values at the points.
  static ONESTEP_INLINE void from_pixels(const Vector (&d)[kPatch], Vector (&out)[kPatch]) {
    out[0] = kTable.all[0] * d[0];
    out[kPatch - 1] = kTable.all[0] * d[1];
#pragma GCC unroll 8
    for (int j = 1; j <= kPairs; ++j) {
      out[0] += kTable.all[j] * d[2 * j];
      out[kPatch - 1] += kTable.all[j] * d[2 * j + 1];
    }
#pragma GCC unroll 8
    for (int i = 0; i < kPairs; ++i) {
      Vector even = kTable.even[i][0] * d[2], odd = kTable.odd[i][0] * d[1];
#pragma GCC unroll 8
      for (int j = 1; j < kPairs; ++j) {
        even += kTable.even[i][j] * d[2 * j + 2];
        odd += kTable.odd[i][j] * d[2 * j + 1];
      }
      out[2 * i + 1] = even + odd;
      out[2 * i + 2] = even - odd;
    }
  }

  /// Aᵀ m: values at the points to outputs.
  static ONESTEP_INLINE void to_outputs(const Vector (&m)[kPatch], Vector (&out)[tile]) {
    sums_over_points<tile>(m, kTable.power, 1, out);
  }
  /// A y, its adjoint.
  static ONESTEP_INLINE void from_outputs(const Vector (&y)[tile], Vector (&out)[kPatch]) {
    values_at_points<tile>(y, kTable.power, 1, out);
  }
  /// G g: weights to values at the points.
  static ONESTEP_INLINE void from_taps(const Vector (&g)[taps], Vector (&out)[kPatch]) {
    values_at_points<taps>(g, kTable.weight, kTable.weight_at_zero, out);
  }
  /// Gᵀ u, its adjoint.
  static ONESTEP_INLINE void to_taps(const Vector (&u)[kPatch], Vector (&out)[taps]) {
    sums_over_points<taps>(u, kTable.weight, kTable.weight_at_zero, out);
  }

 private:
  /// Σ_j c_j(p) in[j] at every point, where c_j(−p) = (−1)ʲ c_j(p).
  template <int count>
  static ONESTEP_INLINE void values_at_points(const Vector (&in)[count],
                                              const float (&coefficients)[kPairs][count], float at_zero,
                                              Vector (&out)[kPatch]) {
    out[0] = at_zero * in[0];
    out[kPatch - 1] = in[count - 1];
#pragma GCC unroll 8
    for (int i = 0; i < kPairs; ++i) {
      Vector even = coefficients[i][0] * in[0], odd = coefficients[i][1] * in[1];
#pragma GCC unroll 8
      for (int j = 2; j < count; ++j) (j % 2 == 0 ? even : odd) += coefficients[i][j] * in[j];
      out[2 * i + 1] = even + odd;
      out[2 * i + 2] = even - odd;
    }
  }
  template <int count>
  static ONESTEP_INLINE void sums_over_points(const Vector (&in)[kPatch],
                                              const float (&coefficients)[kPairs][count], float at_zero,
                                              Vector (&out)[count]) {
    Vector halves[2][kPairs];
#pragma GCC unroll 8
    for (int i = 0; i < kPairs; ++i) {
      halves[0][i] = in[2 * i + 1] + in[2 * i + 2];
      halves[1][i] = in[2 * i + 1] - in[2 * i + 2];
    }
#pragma GCC unroll 8
    for (int j = 0; j < count; ++j) {
      Vector sum = coefficients[0][j] * halves[j % 2][0];
#pragma GCC unroll 8
      for (int i = 1; i < kPairs; ++i) sum += coefficients[i][j] * halves[j % 2][i];
      if (j == 0) sum += at_zero * in[0];
      if (j == count - 1) sum += in[kPatch - 1];
      out[j] = sum;
    }
  }
};

/// An axis along which nothing is summed.
template <int lanes>
struct Axis<lanes, 1, 1> {
  typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));
  static constexpr int kTile = 1, kTaps = 1, kPatch = 1;
  static ONESTEP_INLINE void from_pixels(const Vector (&d)[1], Vector (&out)[1]) { out[0] = d[0]; }
  static ONESTEP_INLINE void to_outputs(const Vector (&m)[1], Vector (&out)[1]) { out[0] = m[0]; }
  static ONESTEP_INLINE void from_taps(const Vector (&g)[1], Vector (&out)[1]) { out[0] = g[0]; }
};

}  // namespace onestep::kernels::winograd
