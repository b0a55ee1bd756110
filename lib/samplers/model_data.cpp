// SPDX-License-Identifier: Apache-2.0
#include "samplers/model_data.h"

#include "config/config.h"
#include "io/safetensors.h"
#include "networks/model_metadata.h"

namespace onestep {

std::optional<ChannelStatistics> data_of_model(const std::filesystem::path& model) {
  return data_of_metadata(io::read_safetensors_metadata(model), model);
}

std::optional<ChannelStatistics> data_of_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::filesystem::path& model) {
  const auto found = metadata.find(kDataKey);
  if (found == metadata.end()) return {};
  return read_metadata<ChannelStatistics>(model, kDataKey, found->second);
}

std::vector<int64_t> trained_classes(const Denoiser& denoiser, const std::vector<int64_t>& class_counts) {
  const int64_t classes = label_dim(denoiser);
  const bool known = static_cast<int64_t>(class_counts.size()) == classes;
  std::vector<int64_t> all, trained;
  for (int64_t c = 0; c < classes; ++c) {
    all.push_back(c);
    if (known && class_counts[c] > 0) trained.push_back(c);
  }
  return trained.empty() ? all : trained;
}

std::vector<int64_t> trained_classes(const Denoiser& denoiser, const std::optional<ChannelStatistics>& data) {
  return data ? trained_classes(denoiser, data->class_counts) : trained_classes(denoiser);
}

}  // namespace onestep
