// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/philox_core.h"

namespace onestep::kernels {

/// Fills out, float32 [rows, row_size], with the streams of `indices` (int64 [rows]). Host pointers.
void philox_cpu(PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices, int64_t rows,
                int64_t row_size, float* out);

/// The same on a CUDA device (device pointers, cudaStream_t), in the plugin; nullptr, or CUDA's message.
extern "C" const char* onestep_philox_cuda(PhiloxLaw law, uint64_t seed, uint32_t purpose,
                                           const int64_t* indices, int64_t rows, int64_t row_size, float* out,
                                           void* stream);

}  // namespace onestep::kernels
