// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include "kernels/philox.h"
#include "noise/purpose.h"

namespace onestep {

/// Standard normal features [n, d] float64, a function of the seed alone.
inline at::Tensor normal_features(uint64_t seed, int64_t n, int64_t d) {
  return kernels::philox_normal(seed, static_cast<uint32_t>(Purpose::noise), at::arange(n), {d}, at::kCPU,
                                at::kDouble);
}

}  // namespace onestep
