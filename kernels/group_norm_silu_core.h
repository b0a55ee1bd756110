// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

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

/// 1/(1 + e^(−z)). In float32 by e^r = 1 + r + r² Q(r) on |r| ≤ ln 2 / 2, a fit of 8e-9, and + − × ÷ alone,
/// so that loops become vector code and every machine gives the same bits. A NaN stays one.
ONESTEP_HOST_DEVICE inline float sigmoid(float z) {
  const float x = z > 87.0f ? -87.0f : z < -87.0f ? 87.0f : -z;
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // 1.5 × 2²³: to the nearest integer
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;    // ln 2 in two parts
  const float q = 0.5f + r * (0.166665766f + r * (0.0416664642f + r * (0.00836323538f + r * 0.00139337332f)));
  const int32_t exponent = (static_cast<int32_t>(n == n ? n : 0.0f) + 127) * (1 << 23);
  float power;
  memcpy(&power, &exponent, sizeof power);
  return 1.0f / (1.0f + (1.0f + (r + r * r * q)) * power);
}
ONESTEP_HOST_DEVICE inline double sigmoid(double z) {
  return 1.0 / (1.0 + exp(-z));
}

/// Arrays of one call (see group_norm_silu.h). Images are [images, pixels, channels], contiguous. Gain and
/// offset are [images, channels], or [channels] with coefficient_stride 0; added is [images, channels] or
/// null.
template <class Real>
struct GroupNormArrays {
  const Real *x, *gain, *offset, *added;
  int64_t images, pixels, channels, groups, coefficient_stride;
  double eps;
  bool silu;
  Real* y;
  Wide<Real>*mean, *inverse_deviation;  ///< [images, groups]: of x + p
  Wide<Real>* channel_mean;             ///< [images, channels]: of x
};

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
