// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "io/file_error.h"

namespace onestep::io {

/// A member of an archive. Names are relative, with '/' between folders.
struct ZipEntry {
  std::string name, bytes;
};

/// An uncompressed zip archive (zip64 where it must be) that appears whole or not at all: a function of the
/// entries alone, without times. All of it is in memory at once. Throws FileError.
void write_zip(const std::filesystem::path& path, const std::vector<ZipEntry>& entries);

}  // namespace onestep::io
