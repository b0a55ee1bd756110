// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include "closeness.h"
#include "kernels/philox.h"

/// Work of every part of the library that must come out alike on every device. One list: the tests go through
/// it (float32 against float64 on the CPU, the CPU against CUDA), and compare_devices prints it as a table.
namespace onestep::test {

/// Tensors that a piece of work ends in, on the device.
using Outputs = std::vector<at::Tensor>;

struct DeviceCase {
  std::string part;  ///< of the library: "kernels", "networks", …
  std::string name;
  double tolerance;  ///< of float32, relative to the largest number of an output; 0: the same bits
  std::function<Outputs(at::Device, at::ScalarType)> run;
  bool any_dtype = true;  ///< whether it can be asked for in float64, too
};

std::vector<DeviceCase> kernel_cases();
std::vector<DeviceCase> network_cases();
std::vector<DeviceCase> loss_cases();
std::vector<DeviceCase> optimiser_cases();
std::vector<DeviceCase> sampler_cases();
std::vector<DeviceCase> evaluation_cases();

/// All of them, in this order.
std::vector<DeviceCase> device_cases();

/// Standard normal numbers [n, *shape], the same ones on every device and in every dtype.
inline at::Tensor normal(uint32_t purpose, int64_t n, at::IntArrayRef shape, at::Device device,
                         at::ScalarType dtype) {
  return kernels::philox_normal(1, purpose, at::arange(n), shape, at::kCPU, dtype).to(device);
}

/// The largest relative difference over all outputs; infinite for other counts or shapes.
inline double largest_difference(const Outputs& a, const Outputs& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, relative_error(a[i], b[i]));
  return worst;
}

}  // namespace onestep::test
