// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/portable.h"

namespace onestep::kernels {

/// The upper half of a float32, as kernels see it: c10::BFloat16 without LibTorch's headers.
struct BFloat16 {
  uint16_t bits;
};

ONESTEP_HOST_DEVICE inline float widened(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}
ONESTEP_HOST_DEVICE inline float widened(float value) {
  return value;
}
ONESTEP_HOST_DEVICE inline double widened(double value) {
  return value;
}

/// Rounds to the nearest, ties to even; a NaN stays one.
ONESTEP_HOST_DEVICE inline void narrow(float value, BFloat16& out) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  out.bits = static_cast<uint16_t>(value == value ? rounded : 0x7FC0);
}
ONESTEP_HOST_DEVICE inline void narrow(float value, float& out) {
  out = value;
}
ONESTEP_HOST_DEVICE inline void narrow(double value, double& out) {
  out = value;
}

}  // namespace onestep::kernels
