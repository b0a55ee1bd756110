// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/channel_statistics.h"
#include "networks/denoiser.h"

namespace onestep {

/// What a model says of the images that it was trained on; nothing where it says nothing. Throws
/// io::FileError, or config::ConfigError naming `model`, the file.
std::optional<ChannelStatistics> data_of_model(const std::filesystem::path& model);
std::optional<ChannelStatistics> data_of_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::filesystem::path& model);

/// The classes of which a model is asked where nobody says which, in order: those of which its training had
/// images; all where it doesn't say. Empty for an unconditional model.
std::vector<int64_t> trained_classes(const Denoiser& denoiser, const std::vector<int64_t>& class_counts = {});
std::vector<int64_t> trained_classes(const Denoiser& denoiser, const std::optional<ChannelStatistics>& data);

}  // namespace onestep
