// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>

#include "kernels/score_difference_core.h"

namespace onestep::kernels {
namespace {

constexpr int64_t kLanes = 16;  // partial sums: they make a fixed order of additions that is also vector code

double total(const double (&lane)[kLanes]) {
  double sum = 0;
  for (const double value : lane) sum += value;
  return sum;
}

/// Σ |y − D_p|.
template <class Real>
ONESTEP_VECTOR_CLONES double absolute_difference(const Real* y, const Real* teacher, int64_t size) {
  double lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) lane[j] += std::abs(y[i + j] - teacher[i + j]);
  }
  for (; i < size; ++i) lane[i % kLanes] += std::abs(y[i] - teacher[i]);
  return total(lane);
}

/// gradient = w (D_q − D_p); returns ½ Σ gradient².
template <class Real>
ONESTEP_VECTOR_CLONES double weighted_difference(Real w, const Real* teacher, const Real* fake, int64_t size,
                                                 Real* gradient) {
  double lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) {
      const Real g = w * (fake[i + j] - teacher[i + j]);
      gradient[i + j] = g;
      lane[j] += static_cast<double>(g) * g;
    }
  }
  for (; i < size; ++i) {
    gradient[i] = w * (fake[i] - teacher[i]);
    lane[i % kLanes] += static_cast<double>(gradient[i]) * gradient[i];
  }
  return 0.5 * total(lane);
}

}  // namespace

template <class Real>
void score_difference_cpu(Normalisation normalisation, const ScoreDifferenceArrays<Real>& a) {
  constexpr int64_t kGrain = 16384;  // elements: about ten microseconds of work
  at::parallel_for(0, a.samples, std::max<int64_t>(1, kGrain / a.size), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const int64_t at = n * a.size;
      const bool scaled = normalisation != Normalisation::none;
      const double m = scaled ? absolute_difference(a.y + at, a.teacher + at, a.size) / a.size : 0.0;
      const auto w = static_cast<Real>(score_difference_weight(normalisation, a.h[n], m));
      a.loss[n] =
          static_cast<Real>(weighted_difference(w, a.teacher + at, a.fake + at, a.size, a.gradient + at));
    }
  });
}

template void score_difference_cpu(Normalisation, const ScoreDifferenceArrays<float>&);
template void score_difference_cpu(Normalisation, const ScoreDifferenceArrays<double>&);

}  // namespace onestep::kernels
