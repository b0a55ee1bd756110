// SPDX-License-Identifier: Apache-2.0
#include "kernels/resize_tf1_core.h"

namespace onestep::kernels {
namespace {

constexpr int kThreads = 256;

/// A thread an output pixel; the input is small and stays in the cache.
__global__ void resize_tf1(ResizeTf1Arrays a) {
  const int64_t pixel = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (pixel >= a.batch * 3 * a.height * a.width) return;
  const int64_t j = pixel % a.width, i = pixel / a.width % a.height;
  const int64_t plane = pixel / (a.width * a.height), n = plane / 3;
  const int64_t c = a.channels == 3 ? plane % 3 : 0;
  const ResizeTap x = resize_tap(j, a.in_width, a.width), y = resize_tap(i, a.in_height, a.height);
  const uint8_t* const in = a.in + (n * a.channels + c) * a.in_height * a.in_width;
  const uint8_t *low = in + y.low * a.in_width, *high = in + y.high * a.in_width;
  a.out[pixel] = centred(
      lerp(lerp(low[x.low], low[x.high], x.weight), lerp(high[x.low], high[x.high], x.weight), y.weight));
}

}  // namespace

const char* onestep_resize_tf1_cuda(ResizeTf1Arrays arrays, void* stream) {
  const int64_t blocks = (arrays.batch * 3 * arrays.height * arrays.width + kThreads - 1) / kThreads;
  resize_tf1<<<static_cast<unsigned>(blocks), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(arrays);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace onestep::kernels
