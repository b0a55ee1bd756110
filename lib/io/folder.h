// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <vector>

/// What std::filesystem answers with a filesystem_error, answered with a SystemError that names the path.
namespace onestep::io {

/// Makes the folder and those above it; one that is there already will do. Throws SystemError when it can't
/// be made, or when something else has its name.
void make_folders(const std::filesystem::path& path);

/// Whether there is something of that name; a link that leads nowhere is nothing. Throws SystemError where
/// the system doesn't tell (a folder above that may not be searched, a name that is too long).
bool path_exists(const std::filesystem::path& path);

/// Whether other users may put files into the folder, or swap those in it: it belongs to neither this user
/// nor root, or its mode lets a group other than this user's own or everybody write. False where there is
/// none.
bool others_can_write(const std::filesystem::path& folder);

/// What lies in the folder, sorted by name. Throws SystemError when it can't be listed, or not to its end.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

}  // namespace onestep::io
