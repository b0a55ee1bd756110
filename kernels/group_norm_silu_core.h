// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/bfloat16.h"
#include "kernels/portable.h"

namespace onestep::kernels {

/// What one image's channel is computed with: float32, float64 for float64.
template <class Real>
struct Accumulated {
  using type = float;
};
template <>
struct Accumulated<double> {
  using type = double;
};
template <class Real>
using Wide = typename Accumulated<Real>::type;

/// e^(−z) by 2ⁿ e^r with e^r = 1 + r + r² Q(r) on |r| ≤ ln 2 / 2, and + − × alone, so that loops become
/// vector code and every machine gives the same bits. Q is a fit of 8e-9 for float32, of 1.2e-4 for bfloat16,
/// a sixteenth of what that rounds away. |z| above 87 counts as 87; a NaN stays one.
template <class Real>
ONESTEP_HOST_DEVICE inline Wide<Real> exp_minus(Wide<Real> z) {
  if constexpr (std::is_same_v<Real, double>) {
    return exp(-z);
  } else {
    const float x = fabsf(z) > 87.0f ? copysignf(87.0f, z) : z;
    const float shifted = x * -1.44269504f + 12582912.0f;  // 1.5 × 2²³: n is what its last bits hold
    const float n = shifted - 12582912.0f;
    float r, q;
    if constexpr (std::is_same_v<Real, float>) {
      r = (x + n * 0.693359375f) - n * 2.12194440e-4f;  // ln 2 in two parts
      q = (0.5f - r * 0.166665766f) + r * r * ((0.0416664642f - r * 0.00836323538f) + r * r * 0.00139337332f);
    } else {
      r = x + n * 0.693147181f;
      q = 0.503944877f - r * 0.166628005f;
    }
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + (127u << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return (1.0f + (r * r * q - r)) * power;
  }
}

/// z/(1 + e^(−z)).
template <class Real>
ONESTEP_HOST_DEVICE inline Wide<Real> silu(Wide<Real> z) {
  return z / (1 + exp_minus<Real>(z));
}
/// s (1 + z (1 − s)) with s = 1/(1 + e^(−z)).
template <class Real>
ONESTEP_HOST_DEVICE inline Wide<Real> silu_derivative(Wide<Real> z) {
  const Wide<Real> s = 1 / (1 + exp_minus<Real>(z));
  return s * (1 + z * (1 - s));
}

/// What the norm does to one channel of one image: x̂ = inverse x + centre, z = slope x + level.
struct NormLine {
  double inverse, centre, slope, level;
};
ONESTEP_HOST_DEVICE inline NormLine norm_line(double mean, double inverse, double gain, double offset,
                                              double added) {
  const double centre = (added - mean) * inverse;
  return {inverse, centre, inverse * gain, centre * gain + offset};
}

/// grad_x = slope g + along x + level of one channel, where g = grad_z.
struct GradientLine {
  double along, level;
};
/// From the group's means of A g and of A g x̂: grad_x = inverse (A g − mean(A g) − x̂ mean(A g x̂)), while
/// grad_A = Σ g x̂, grad_B = Σ g, grad_p = Σ grad_x.
ONESTEP_HOST_DEVICE inline GradientLine gradient_line(const NormLine& line, double mean_g, double mean_gx) {
  return {-line.inverse * line.inverse * mean_gx, -line.inverse * (mean_g + line.centre * mean_gx)};
}
/// Σ grad_x over the channel's pixels, from Σ g and the mean of x.
ONESTEP_HOST_DEVICE inline double gradient_sum(const NormLine& line, const GradientLine& gradient,
                                               double sum_g, double mean_x, double pixels) {
  return line.slope * sum_g + (gradient.along * mean_x + gradient.level) * pixels;
}

/// Arrays of one call (see group_norm_silu.h). Images are [images, pixels, channels], contiguous. Gain and
/// offset are [images, channels], or [channels] with coefficient_stride 0; added is [images, channels] or
/// null.
template <class Real>
struct GroupNormArrays {
  const Real* x;
  const Wide<Real>*gain, *offset, *added;
  int64_t images, pixels, channels, groups, coefficient_stride;
  double eps;
  bool silu;
  Real* y;
  Wide<Real>*mean, *inverse_deviation;  ///< [images, groups]: of x + p
  Wide<Real>* channel_mean;             ///< [images, channels]: of x
};

template <class Real>
ONESTEP_HOST_DEVICE inline double added_to(const GroupNormArrays<Real>& a, int64_t image, int64_t channel) {
  return a.added == nullptr ? 0 : a.added[image * a.channels + channel];
}

/// Its backward pass: grad_gain and grad_offset are [images, channels] always, summed by the caller.
template <class Real>
struct GroupNormGradients {
  const Real* grad_y;
  Real* grad_x;
  Wide<Real>*grad_gain, *grad_offset, *grad_added;
};

/// Fills y, mean, inverse_deviation. Host pointers.
template <class Real>
void group_norm_silu_cpu(const GroupNormArrays<Real>& arrays);
/// Fills the gradients, from what the forward pass was given and has filled (but y).
template <class Real>
void group_norm_silu_backward_cpu(const GroupNormArrays<Real>& arrays,
                                  const GroupNormGradients<Real>& gradients);

/// The same on a CUDA device (device pointers and a cudaStream_t), in the plugin; nullptr, or CUDA's error
/// message.
#define ONESTEP_GROUP_NORM_LAUNCHERS(Real, suffix)                                                          \
  extern "C" const char* onestep_group_norm_silu_cuda_##suffix(GroupNormArrays<Real> arrays, void* stream); \
  extern "C" const char* onestep_group_norm_silu_backward_cuda_##suffix(                                    \
      GroupNormArrays<Real> arrays, GroupNormGradients<Real> gradients, void* stream);
ONESTEP_GROUP_NORM_LAUNCHERS(float, f32)
ONESTEP_GROUP_NORM_LAUNCHERS(double, f64)
ONESTEP_GROUP_NORM_LAUNCHERS(BFloat16, bf16)
#undef ONESTEP_GROUP_NORM_LAUNCHERS

}  // namespace onestep::kernels
