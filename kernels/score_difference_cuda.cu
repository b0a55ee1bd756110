// SPDX-License-Identifier: Apache-2.0
#include "kernels/score_difference_core.h"

namespace onestep::kernels {
namespace {

constexpr int kThreads = 256;

/// The block's sum of `value`, for every thread. A fixed tree: the same bits in every run.
__device__ double block_sum(double value) {
  __shared__ double partial[kThreads];
  __syncthreads();  // the last sum has been read by all
  partial[threadIdx.x] = value;
  for (int width = kThreads / 2; width > 0; width /= 2) {
    __syncthreads();
    if (threadIdx.x < width) partial[threadIdx.x] += partial[threadIdx.x + width];
  }
  __syncthreads();
  return partial[0];
}

/// One block of threads a sample. The kernel is bound by memory, so sums in float64 are free.
template <class Real>
__global__ void score_difference(Normalisation normalisation, ScoreDifferenceArrays<Real> a) {
  const int64_t n = blockIdx.x;
  const Real *y = a.y + n * a.size, *teacher = a.teacher + n * a.size, *fake = a.fake + n * a.size;
  Real* const gradient = a.gradient + n * a.size;

  double sum = 0;
  if (normalisation != Normalisation::none) {
    for (int64_t i = threadIdx.x; i < a.size; i += kThreads)
      sum += fabs(static_cast<double>(y[i] - teacher[i]));
    sum = block_sum(sum);
  }
  const auto w = static_cast<Real>(score_difference_weight(normalisation, a.h[n], sum / a.size));

  double squares = 0;
  for (int64_t i = threadIdx.x; i < a.size; i += kThreads) {
    const Real g = w * (fake[i] - teacher[i]);
    gradient[i] = g;
    squares += static_cast<double>(g) * g;
  }
  squares = block_sum(squares);
  if (threadIdx.x == 0) a.loss[n] = static_cast<Real>(0.5 * squares);
}

template <class Real>
const char* run(Normalisation normalisation, const ScoreDifferenceArrays<Real>& arrays, void* stream) {
  score_difference<<<static_cast<unsigned>(arrays.samples), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      normalisation, arrays);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace

const char* onestep_score_difference_cuda_f32(Normalisation normalisation,
                                              ScoreDifferenceArrays<float> arrays, void* stream) {
  return run(normalisation, arrays, stream);
}

const char* onestep_score_difference_cuda_f64(Normalisation normalisation,
                                              ScoreDifferenceArrays<double> arrays, void* stream) {
  return run(normalisation, arrays, stream);
}

}  // namespace onestep::kernels
