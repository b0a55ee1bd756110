// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/philox_core.h"

namespace onestep::kernels {
namespace {

/// One thread makes one Philox block at a time: the next four values of a row.
template <PhiloxLaw law>
__global__ void fill(uint64_t seed, uint32_t purpose, const int64_t* indices, int64_t rows, int64_t row_size,
                     float* out) {
  const int64_t row_blocks = (row_size + 3) / 4, stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < rows * row_blocks; i += stride) {
    const int64_t row = i / row_blocks, block = i % row_blocks;
    float value[4];
    philox_values<law>(seed, purpose, static_cast<uint64_t>(indices[row]), static_cast<uint32_t>(block),
                       value);
    for (int j = 0; j < 4; ++j) {
      if (4 * block + j < row_size) out[row * row_size + 4 * block + j] = value[j];
    }
  }
}

}  // namespace

const char* onestep_philox_cuda(PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices,
                                int64_t rows, int64_t row_size, float* out, void* stream) {
  constexpr int kThreads = 256;
  constexpr int64_t kMaxGrid = 1 << 16;
  const int64_t blocks = rows * ((row_size + 3) / 4);
  const auto grid = static_cast<unsigned>(std::min((blocks + kThreads - 1) / kThreads, kMaxGrid));
  const auto kernel = law == PhiloxLaw::normal ? fill<PhiloxLaw::normal> : fill<PhiloxLaw::uniform>;
  kernel<<<grid, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(seed, purpose, indices, rows, row_size,
                                                                   out);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace onestep::kernels
