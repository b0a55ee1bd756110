// SPDX-License-Identifier: Apache-2.0
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "devices/device_case.h"
#include "on_devices.h"

using namespace onestep::test;

TEST_CASE("what devices are compared by is the same work in float32 and in float64", "[devices]") {
  for (const DeviceCase& work : device_cases()) {
    if (!work.any_dtype) continue;
    INFO(work.part << ", " << work.name);
    const Outputs narrow = work.run(at::kCPU, at::kFloat), wide = work.run(at::kCPU, at::kDouble);
    REQUIRE_FALSE(narrow.empty());
    CHECK(wide[0].scalar_type() == at::kDouble);
    CHECK(largest_difference(narrow, wide) <= work.tolerance);
    CHECK(wide[0].abs().max().item<double>() > 0);
  }
}

TEST_CASE("every part of the library comes out alike on CUDA", "[devices][gpu]") {
  if (!cuda_ready()) return;
  for (const DeviceCase& work : device_cases()) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      if (dtype == at::kDouble && !work.any_dtype) continue;
      INFO(work.part << ", " << work.name << ", " << dtype);
      const double tolerance = dtype == at::kDouble ? 1e-9 : work.tolerance;
      CHECK(largest_difference(work.run(at::kCUDA, dtype), work.run(at::kCPU, dtype)) <= tolerance);
    }
  }
}
