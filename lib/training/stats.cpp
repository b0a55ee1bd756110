// SPDX-License-Identifier: Apache-2.0
#include "training/stats.h"

#include <algorithm>

#include <ATen/TensorOperators.h>

namespace onestep {

void TickMeans::add(const StepStats& stats) {
  for (const auto& [name, value] : stats.values) {
    const auto known =
        std::find_if(sums_.begin(), sums_.end(), [&](const Sum& sum) { return sum.name == name; });
    if (known == sums_.end()) {
      sums_.push_back({name, value.to(at::kDouble), 1});
    } else {
      known->total += value;
      ++known->count;
    }
  }
}

std::vector<std::pair<std::string, double>> TickMeans::take() {
  std::vector<std::pair<std::string, double>> means;
  for (const Sum& sum : sums_) {
    means.emplace_back(sum.name, sum.total.item<double>() / static_cast<double>(sum.count));
  }
  sums_.clear();
  return means;
}

}  // namespace onestep
