// SPDX-License-Identifier: Apache-2.0
#include "evaluation/validity.h"

#include <string_view>
#include <unordered_map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>

namespace onestep {

namespace {

/// Calls visit(row, earlier) for every row that equals an earlier one, the first of its kind, until it
/// returns false.
template <class Visit>
void for_each_duplicate(const at::Tensor& rows, const Visit& visit) {
  if (!rows.defined() || rows.numel() == 0) return;
  const at::Tensor held = rows.contiguous();
  const int64_t n = held.size(0);
  const auto* bytes = static_cast<const char*>(held.const_data_ptr());
  const size_t width = static_cast<size_t>(held.numel() / n) * held.element_size();
  std::unordered_map<std::string_view, int64_t> first;
  for (int64_t i = 0; i < n; ++i) {
    const auto [found, fresh] = first.try_emplace({bytes + static_cast<size_t>(i) * width, width}, i);
    if (!fresh && !visit(i, found->second)) return;
  }
}

}  // namespace

int64_t count_duplicates(const at::Tensor& rows) {
  int64_t count = 0;
  for_each_duplicate(rows, [&](int64_t, int64_t) { return ++count, true; });
  return count;
}

std::vector<std::pair<int64_t, int64_t>> duplicate_pairs(const at::Tensor& rows, int64_t limit) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  if (limit <= 0) return pairs;
  for_each_duplicate(rows, [&](int64_t row, int64_t earlier) {
    pairs.emplace_back(row, earlier);
    return static_cast<int64_t>(pairs.size()) < limit;
  });
  return pairs;
}

Validity check_validity(const FeatureSet& set) {
  Validity validity;
  if (!set.has_samples()) return validity;
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
