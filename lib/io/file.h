// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "io/file_error.h"

namespace onestep::io {

/// A regular file's bytes in memory, private to this process: what is written to them stays in memory.
/// Our own writers replace files by renaming, so a mapped file keeps its content when a newer one takes its
/// name.
class MappedFile {
 public:
  /// Throws SystemError when the path is missing or unreadable, FileError for a folder, a pipe or a device.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  std::string_view bytes() const noexcept { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

/// Opens a regular file for reading: a descriptor, which the caller closes. Throws as MappedFile does.
int open_regular(const std::filesystem::path& path);

/// The first bytes of a regular file, `most` at most. Throws FileError as MappedFile does.
std::string read_head(const std::filesystem::path& path, uint64_t most);

/// The whole of a regular file. Throws FileError as MappedFile does, and when it is longer than `limit`
/// bytes or has another length at the end than it had at the beginning.
std::string read_file(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 30);

}  // namespace onestep::io
