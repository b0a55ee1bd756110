// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "config/config.h"
#include "io/file_error.h"

namespace onestep {

/// The configuration that stands as JSON under `key` of a model file's metadata. Throws io::FileError naming
/// file and key.
template <class T>
T read_metadata(const std::filesystem::path& model, const std::string& key, const std::string& json) {
  try {
    return config::read<T>(config::parse(json, key));
  } catch (const config::ConfigError& error) {
    throw io::FileError(model, error.what());
  }
}

}  // namespace onestep
