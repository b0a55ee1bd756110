// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "evaluation/feature_set.h"

namespace onestep {

/// Signs that a set is not what one takes it for. FID alone hides all of them.
struct Validity {
  std::optional<int64_t> duplicates;       ///< images (feature rows where there are no images) equal to an
                                           ///< earlier one; no value where only statistics are known
  std::optional<int64_t> constant_images;  ///< images of one colour
  std::vector<int64_t> class_counts;     ///< images by the class that the classifier sees; empty without one
  std::optional<double> class_accuracy;  ///< share seen as their label; no value without labels
};

Validity check_validity(const FeatureSet& set);

/// How many rows (along dimension 0) equal an earlier row, bit for bit. None where undefined.
int64_t count_duplicates(const at::Tensor& rows);

/// The first `limit` of them in rising order, each with the first row that it equals: (row, earlier row).
std::vector<std::pair<int64_t, int64_t>> duplicate_pairs(const at::Tensor& rows, int64_t limit);

}  // namespace onestep
