// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "networks/module.h"

namespace onestep {

/// Writes `state`, `nimg` and `metadata` to folder/NIMG.safetensors, whole or not at all, then removes the
/// oldest ones before it but `keep` - 1. It stays itself, whatever else lies there: files with a higher
/// number neither count nor go, nor do torn ones and those that are no checkpoints. Throws io::FileError
/// (disk full, no permission); the older checkpoints stay as they were.
void save_checkpoint(const std::filesystem::path& folder, const NamedTensors& state, int64_t nimg,
                     int64_t keep, std::map<std::string, std::string> metadata = {});

/// Whether any file there has a checkpoint's name, sound or not.
bool has_checkpoints(const std::filesystem::path& folder);

/// The metadata of the newest one whose header can be read; empty without any. Throws io::SystemError.
std::map<std::string, std::string> newest_checkpoint_metadata(const std::filesystem::path& folder);

/// Fills `state` from the newest checkpoint in `folder` that is undamaged, and returns its nimg; without any
/// checkpoint, nothing changes and the result is empty.
///
/// A damaged one (torn, rotten, of another kind, or with another nimg inside than in its name) is passed over
/// with a warning, and renamed to NIMG.safetensors.bad once an older one is found to go on from, so that no
/// later run meets it again. It is never removed.
///
/// Throws io::FileError, before `state` or any file is changed, where going on would lose work: the system
/// refuses a file or the folder (nobody knows then what it holds), all checkpoints are damaged, or the newest
/// undamaged one does not fit `state` in names, shapes and dtypes: it is another run's.
std::optional<int64_t> load_newest_checkpoint(const std::filesystem::path& folder, NamedTensors& state);

}  // namespace onestep
