// SPDX-License-Identifier: Apache-2.0
// The launchers of our own kernels for the pretended device, found by name as CUDA's are: the CPU's kernels
// on the device's addresses. They bear CUDA's names, because a kernel asks for its launcher by that.
#include "devices/pretend_device.h"
#include "kernels/philox_core.h"
#include "kernels/resize_tf1_core.h"
#include "kernels/score_difference_core.h"

namespace onestep::kernels {
namespace {

template <class T>
T* host(T* device) {
  return static_cast<T*>(test::host_address(device));
}

template <class Real>
const char* score_difference(Normalisation normalisation, const ScoreDifferenceArrays<Real>& a) {
  score_difference_cpu(normalisation,
                       ScoreDifferenceArrays<Real>{host(a.y), host(a.teacher), host(a.fake), host(a.h),
                                                   a.samples, a.size, host(a.loss), host(a.gradient)});
  return nullptr;
}

}  // namespace

const char* onestep_philox_cuda(PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices,
                                int64_t rows, int64_t row_size, float* out, void*) {
  philox_cpu(law, seed, purpose, host(indices), rows, row_size, host(out));
  return nullptr;
}

const char* onestep_score_difference_cuda_f32(Normalisation normalisation,
                                              ScoreDifferenceArrays<float> arrays, void*) {
  return score_difference(normalisation, arrays);
}

const char* onestep_score_difference_cuda_f64(Normalisation normalisation,
                                              ScoreDifferenceArrays<double> arrays, void*) {
  return score_difference(normalisation, arrays);
}

const char* onestep_resize_tf1_cuda(ResizeTf1Arrays a, void*) {
  a.in = host(a.in);
  a.out = host(a.out);
  resize_tf1_cpu(a);
  return nullptr;
}

}  // namespace onestep::kernels
