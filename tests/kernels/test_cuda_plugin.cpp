// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/Context.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "kernels/cuda_plugin.h"
#include "kernels/philox.h"
#include "on_devices.h"

using namespace onestep::kernels;

TEST_CASE("asking for CUDA works, or says in one clear line why not", "[cuda_plugin][gpu]") {
  // Twice: a failed load must fail the same way again.
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      philox_normal(1, 2, at::zeros({1}, at::kLong), {4}, at::kCUDA);
    } catch (const c10::Error& error) {
      const std::string message = error.what_without_backtrace();
      WARN(message);
      CHECK(message.starts_with("device cuda: "));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a launcher that the plugin lacks is named", "[cuda_plugin][gpu]") {
  try {
    cuda_symbol("onestep_no_such_kernel");
    FAIL("found a launcher that does not exist");
  } catch (const c10::Error& error) {
    CHECK(std::string(error.what_without_backtrace()).starts_with("device cuda: "));
  }
}

TEST_CASE("on CUDA float32 is whole, and the same work gives the same bits", "[cuda_plugin][gpu]") {
  if (!cuda_ready()) return;
  const at::Context& context = at::globalContext();
  CHECK(!context.allowTF32CuDNN());
  CHECK(!context.allowTF32CuBLAS());
  CHECK(!context.benchmarkCuDNN());
  CHECK(context.deterministicCuDNN());
  CHECK(context.deterministicAlgorithms());
}
