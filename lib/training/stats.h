// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// What a step reports, by name: 0-d tensors that stay on the device until somebody looks. A number that is
/// not finite is counted, and left out of its mean.
struct StepStats {
  struct Value {
    std::string name;
    at::Tensor sum, count;  ///< over what is finite
    bool of_samples;        ///< a mean over samples, and not over steps
  };
  std::vector<Value> values;
  template <class Self, class Visit>
  static void numbers(Self& s, Visit&& visit) {
    for (auto& value : s.values) {
      visit(value.sum);
      visit(value.count);
    }
  }
  std::vector<std::pair<std::string, at::Tensor>> skipped;  ///< updates left out in a row, by optimiser

  /// Whether any sample of `name` was meant: bool, 0-d.
  at::Tensor any(const std::string& name) const;

  /// A step's number, 0-d.
  void add(const std::string& name, const at::Tensor& value);
  /// Numbers [n] of samples, of which those with `keep` [n] that are finite are meant.
  void add(const std::string& name, const at::Tensor& values, const at::Tensor& keep);
  /// An optimiser's step: its gradient's norm, 0-d, and how many updates it has left out in a row by now, 0-d
  /// (as Adam counts them). `prefix` names it: "", or "student/".
  void add_update(const std::string& prefix, const at::Tensor& norm, const at::Tensor& skipped);
};

/// Means of steps' reports between two ticks of the log; adding does not wait for the device.
class TickMeans {
 public:
  void add(const StepStats& stats);
  /// What was reported since the last call, in order of first appearance: the mean of every name (NaN where
  /// nothing of it was finite), for samples NAME/samples, how many that is of, and how many updates were left
  /// out, PREFIXskipped. Reading waits for the device.
  std::vector<std::pair<std::string, double>> take();

  /// The most updates in a row that an optimiser has left out by now, and its prefix; waits for the device.
  struct Row {
    std::string prefix;
    int64_t updates = 0;
  };
  Row longest_row() const;

 private:
  struct Sum {
    std::string name;
    at::Tensor total, count;
    bool of_samples;
  };
  struct Skips {
    std::string prefix;
    at::Tensor here;  ///< since the last call of take
    at::Tensor row;   ///< up to now
  };
  std::vector<Sum> sums_;
  std::vector<Skips> skips_;
};

}  // namespace onestep
