// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/portable.h"

namespace onestep::kernels {

/// What is fixed for a run; clip_norm, clip_value: 0 does not clip.
struct AdamwConfig {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, clip_norm = 0, clip_value = 0;
};

constexpr int kMostAverages = 16;

/// Arrays of one row (see adamw.h), float32 or float64.
template <class Real>
struct AdamwArrays {
  Real *values, *gradients, *exp_avg, *exp_avg_sq;
  BFloat16* shadow;  ///< or null
  int64_t size;
  bool met;
  const double *learning_rate, *norm;
  const bool* any;        ///< or null
  float *step, *skipped;  ///< skipped: null in all rows but the first
  int averages;
  Real* average[kMostAverages];
  const double* weight[kMostAverages];
};

/// What every number of a row is computed with.
template <class Real>
struct AdamwFactors {
  bool updated;
  Real scale, limit, decay, grad_weight, beta2, square_weight, step_size, root, eps;
};

/// Decides whether the row is updated, and counts: once for each row.
template <class Real>
ONESTEP_HOST_DEVICE inline AdamwFactors<Real> adamw_factors(const AdamwConfig& c,
                                                            const AdamwArrays<Real>& a) {
  const double norm = *a.norm, rate = *a.learning_rate;
  const bool usable = norm - norm == 0 && (a.any == nullptr || *a.any);
  const bool updated = usable && a.met;
  if (updated) *a.step += 1;
  if (a.skipped != nullptr) *a.skipped = usable ? 0 : *a.skipped + 1;
  const double t = *a.step, clipped = c.clip_norm / (norm + 1e-6);
  return {.updated = updated,
          .scale = static_cast<Real>(c.clip_norm > 0 && clipped < 1 ? clipped : 1),
          .limit = static_cast<Real>(c.clip_value > 0 ? c.clip_value : INFINITY),
          .decay = static_cast<Real>(1 - rate * c.weight_decay),
          .grad_weight = static_cast<Real>(1 - c.beta1),
          .beta2 = static_cast<Real>(c.beta2),
          .square_weight = static_cast<Real>(1 - c.beta2),
          .step_size = static_cast<Real>(rate / (1 - pow(c.beta1, t))),
          .root = static_cast<Real>(sqrt(1 - pow(c.beta2, t))),
          .eps = static_cast<Real>(c.eps)};
}

/// a + weight (b − a), exact at both ends.
template <class Real>
ONESTEP_HOST_DEVICE inline Real lerp(Real a, Real b, Real weight) {
  return weight < Real(0.5) ? a + weight * (b - a) : b - (Real(1) - weight) * (b - a);
}

template <class Real>
ONESTEP_HOST_DEVICE inline void adamw_update(const AdamwFactors<Real>& f, Real gradient, Real& value, Real& m,
                                             Real& v) {
  Real g = gradient * f.scale;
  g = g > f.limit ? f.limit : g < -f.limit ? -f.limit : g;
  m = lerp(m, g, f.grad_weight);
  v = f.beta2 * v + f.square_weight * (g * g);
  value = value * f.decay - f.step_size * m / (std::sqrt(v) / f.root + f.eps);
}

/// One row. Host pointers.
template <class Real>
void adamw_cpu(const AdamwConfig& config, const AdamwArrays<Real>& arrays);

/// The same on a CUDA device (device pointers and a cudaStream_t), in the plugin; nullptr, or CUDA's error
/// message. `factors` is room for them on the device.
#define ONESTEP_ADAMW_LAUNCHER(Real, suffix)                                                       \
  extern "C" const char* onestep_adamw_cuda_##suffix(AdamwConfig config, AdamwArrays<Real> arrays, \
                                                     AdamwFactors<Real>* factors, void* stream);
ONESTEP_ADAMW_LAUNCHER(float, f32)
ONESTEP_ADAMW_LAUNCHER(double, f64)
#undef ONESTEP_ADAMW_LAUNCHER

}  // namespace onestep::kernels
