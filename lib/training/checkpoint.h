// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "networks/module.h"

namespace onestep {

/// Writes `state` and `nimg` to folder/NIMG.safetensors, whole or not at all, then removes the oldest files
/// but `keep`. Throws io::FileError (disk full, no permission); the older checkpoints stay as they were.
void save_checkpoint(const std::filesystem::path& folder, const NamedTensors& state, int64_t nimg,
                     int64_t keep);

/// Fills `state` from the newest checkpoint in `folder` that is whole, and returns its nimg; a torn, corrupt
/// or foreign one is skipped with a warning. Without one, nothing changes and the result is empty.
std::optional<int64_t> load_newest_checkpoint(const std::filesystem::path& folder, NamedTensors& state);

}  // namespace onestep
