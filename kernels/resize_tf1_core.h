// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "kernels/portable.h"

namespace onestep::kernels {

/// Where output j of a line reads: `low + weight × (high − low)`.
struct ResizeTap {
  int32_t low, high;
  float weight;
};

/// Position j · in / out, in integers up to the weight: it is exact on every device. TensorFlow itself rounds
/// the position to float32.
ONESTEP_HOST_DEVICE inline ResizeTap resize_tap(int64_t j, int64_t in, int64_t out) {
  const int64_t low = j * in / out;
  return {static_cast<int32_t>(low), static_cast<int32_t>(low + 1 < in ? low + 1 : in - 1),
          static_cast<float>(j * in % out) / static_cast<float>(out)};
}

ONESTEP_HOST_DEVICE inline float lerp(float low, float high, float weight) {
  return low + weight * (high - low);
}

/// [0, 255] → [−1, 1): exact, as 128 is a power of two.
ONESTEP_HOST_DEVICE inline float centred(float x) {
  return (x - 128.0f) * (1.0f / 128.0f);
}

/// Arrays of one call, contiguous: in [batch, channels, in_height, in_width], channels 1 or 3;
/// out [batch, 3, height, width].
struct ResizeTf1Arrays {
  const uint8_t* in;
  int64_t batch, channels, in_height, in_width, height, width;
  float* out;
};

/// Fills out (see resize_tf1.h). Host pointers.
void resize_tf1_cpu(const ResizeTf1Arrays& arrays);

/// The same on a CUDA device (device pointers and a cudaStream_t), in the plugin; nullptr, or CUDA's error
/// message.
extern "C" const char* onestep_resize_tf1_cuda(ResizeTf1Arrays arrays, void* stream);

}  // namespace onestep::kernels
