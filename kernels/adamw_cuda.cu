// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw_core.h"

namespace onestep::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 2048;

/// One thread: powers in float64 are worth computing once.
template <class Real>
__global__ void prepare(AdamwConfig config, AdamwArrays<Real> a, AdamwFactors<Real>* factors) {
  *factors = adamw_factors(config, a);
}

template <class Real>
__global__ void step(AdamwArrays<Real> a, const AdamwFactors<Real>* factors) {
  const AdamwFactors<Real> f = *factors;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.size; i += stride) {
    Real value = a.values[i];
    if (f.updated) {
      adamw_update(f, a.gradients[i], value, a.exp_avg[i], a.exp_avg_sq[i]);
      a.values[i] = value;
    }
    a.gradients[i] = 0;
#pragma unroll
    for (int k = 0; k < kMostAverages; ++k) {  // unrolled: the arrays of pointers stay parameters
      if (k >= a.averages) break;
      a.average[k][i] = lerp(a.average[k][i], value, static_cast<Real>(*a.weight[k]));
    }
    if (a.shadow != nullptr) narrow(static_cast<float>(value), a.shadow[i]);
  }
}

template <class Real>
const char* run(const AdamwConfig& config, const AdamwArrays<Real>& a, AdamwFactors<Real>* factors,
                void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  const int64_t blocks = (a.size + kThreads - 1) / kThreads;
  prepare<<<1, 1, 0, on>>>(config, a, factors);
  step<<<static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks), kThreads, 0, on>>>(a, factors);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace

const char* onestep_adamw_cuda_f32(AdamwConfig config, AdamwArrays<float> arrays,
                                   AdamwFactors<float>* factors, void* stream) {
  return run(config, arrays, factors, stream);
}

const char* onestep_adamw_cuda_f64(AdamwConfig config, AdamwArrays<double> arrays,
                                   AdamwFactors<double>* factors, void* stream) {
  return run(config, arrays, factors, stream);
}

}  // namespace onestep::kernels
