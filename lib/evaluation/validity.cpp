// SPDX-License-Identifier: Apache-2.0
#include "evaluation/validity.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>

namespace onestep {

int64_t count_duplicates(const at::Tensor& rows) {
  const at::Tensor held = rows.contiguous();
  if (held.numel() == 0) return 0;
  const int64_t n = held.size(0);
  const auto* bytes = static_cast<const char*>(held.const_data_ptr());
  const size_t width = static_cast<size_t>(held.numel() / n) * held.element_size();
  std::unordered_set<std::string_view> seen;
  for (int64_t i = 0; i < n; ++i) seen.insert({bytes + static_cast<size_t>(i) * width, width});
  return n - static_cast<int64_t>(seen.size());
}

Validity check_validity(const FeatureSet& set) {
  Validity validity;
  validity.duplicates = count_duplicates(set.images.defined() ? set.images : set.features);
  if (set.images.defined()) {
    const at::Tensor pixels = set.images.flatten(1);
    validity.constant_images = (pixels.amax(1) == pixels.amin(1)).sum().item<int64_t>();
  }
  if (set.predicted.defined()) {
    const at::Tensor counts = at::bincount(set.predicted);
    for (int64_t k = 0; k < counts.size(0); ++k) validity.class_counts.push_back(counts[k].item<int64_t>());
    if (set.labels.defined())
      validity.class_accuracy = (set.predicted == set.labels).to(at::kDouble).mean().item<double>();
  }
  return validity;
}

}  // namespace onestep
