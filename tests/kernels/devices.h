// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>
#include <catch2/catch.hpp>

#include "kernels/cuda_plugin.h"

/// Whether CUDA tests can run here; if not, says so with the reason, so that a skipped test is seen.
inline bool cuda_ready() {
  try {
    onestep::kernels::load_cuda_plugin();
    return true;
  } catch (const c10::Error& error) {
    WARN("skipped: " << error.what_without_backtrace());
    return false;
  }
}
