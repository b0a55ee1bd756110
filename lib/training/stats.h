// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// What a step reports, by name: 0-d tensors that stay on the device until somebody looks.
struct StepStats {
  std::vector<std::pair<std::string, at::Tensor>> values;
  void add(const std::string& name, const at::Tensor& value) { values.emplace_back(name, value.detach()); }
};

/// Means of steps' reports between two ticks of the log; adding does not wait for the device.
class TickMeans {
 public:
  void add(const StepStats& stats);
  /// The mean of every name since the last call, in order of first appearance; reading them waits for the
  /// device.
  std::vector<std::pair<std::string, double>> take();

 private:
  struct Sum {
    std::string name;
    at::Tensor total;
    int64_t count;
  };
  std::vector<Sum> sums_;
};

}  // namespace onestep
