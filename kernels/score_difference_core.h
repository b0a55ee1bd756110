// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "kernels/portable.h"

namespace onestep::kernels {

/// The per-sample scale of the score difference (lib/losses/README.md §3), m = mean|y − D_p| over the
/// sample's elements: none 1;  dmd 1/(m + 1e-6);  sid 1/max(m, 1e-5).
enum class Normalisation : int32_t { none, dmd, sid };

/// w = h × scale(m).
ONESTEP_HOST_DEVICE inline double score_difference_weight(Normalisation normalisation, double h, double m) {
  switch (normalisation) {
    case Normalisation::dmd:
      return h / (m + 1e-6);
    case Normalisation::sid:
      return h / (m > 1e-5 || m != m ? m : 1e-5);  // a NaN stays visible
    default:
      return h;
  }
}

/// Arrays of one call, float32 or float64: images are [samples, size], contiguous; h and loss are [samples].
template <class Real>
struct ScoreDifferenceArrays {
  const Real *y, *teacher, *fake, *h;
  int64_t samples, size;
  Real *loss, *gradient;
};

/// Fills loss and gradient (see score_difference.h). Host pointers.
template <class Real>
void score_difference_cpu(Normalisation normalisation, const ScoreDifferenceArrays<Real>& arrays);

/// The same on a CUDA device (device pointers and a cudaStream_t), in the plugin; nullptr, or CUDA's error
/// message.
extern "C" const char* onestep_score_difference_cuda_f32(Normalisation normalisation,
                                                         ScoreDifferenceArrays<float> arrays, void* stream);
extern "C" const char* onestep_score_difference_cuda_f64(Normalisation normalisation,
                                                         ScoreDifferenceArrays<double> arrays, void* stream);

}  // namespace onestep::kernels
