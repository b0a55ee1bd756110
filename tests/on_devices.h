// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>
#include <catch2/catch.hpp>

#include "devices/pretend_device.h"
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

/// One test body, `void(at::Device device)`, as three test cases: on the CPU, on the pretended device, which
/// is as strict as CUDA, and with the tag [gpu] on CUDA.
///   DEVICE_TEST_CASE("AdamW equals its formula", "[optimiser]") { … device … }
#define DEVICE_TEST_CASE(name, tags) DEVICE_TEST_CASE_ON_LINE(name, tags, __LINE__)
#define DEVICE_TEST_CASE_ON_LINE(name, tags, line) DEVICE_TEST_CASE_NAMED(name, tags, line)
#define DEVICE_TEST_CASE_NAMED(name, tags, line) DEVICE_TEST_CASE_OF(name, tags, on_device_##line)
#define DEVICE_TEST_CASE_OF(name, tags, body)       \
  static void body(at::Device device);              \
  TEST_CASE(name, tags) {                           \
    body(at::kCPU);                                 \
  }                                                 \
  TEST_CASE(name ", on a pretended device", tags) { \
    body(onestep::test::pretend_device());          \
  }                                                 \
  TEST_CASE(name ", on CUDA", tags "[gpu]") {       \
    if (cuda_ready()) body({at::kCUDA, 0});         \
  }                                                 \
  static void body(at::Device device)
