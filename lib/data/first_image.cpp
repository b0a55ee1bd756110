// SPDX-License-Identifier: Apache-2.0
#include "data/first_image.h"

#include <ATen/TensorOperators.h>

namespace onestep {

DatasetConfig first_image_of(DatasetConfig config) {
  const auto limit = [](auto& set) {
    if constexpr (requires { set.limit; }) set.limit = 1;
  };
  std::visit(limit, config);
  if (auto* const encoded = std::get_if<EncodedConfig>(&config)) std::visit(limit, encoded->of);
  return config;
}

Dataset outline_of_dataset(const DatasetConfig& config, const EncodingContext& encoding) {
  Dataset data = load_dataset(first_image_of(config), {}, encoding);
  if (std::holds_alternative<MixtureConfig>(config)) return data;
  constexpr int64_t kImages = int64_t{1} << 32;  // more than any set has
  data.images = data.images.narrow(0, 0, 1).expand({kImages, -1, -1, -1});
  if (data.spread.defined()) data.spread = data.spread.narrow(0, 0, 1).expand({kImages, -1, -1, -1});
  data.labels = data.labels.narrow(0, 0, 1).expand({kImages});
  return data;
}

}  // namespace onestep
