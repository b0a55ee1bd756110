// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string_view>

#include "io/file_error.h"

namespace onestep::io {

/// A file of records, made or continued: each is written with one call at the file's end, so that a reader
/// never sees half of it, and a crash loses at most the last one.
class AppendFile {
 public:
  /// Throws FileError when the file cannot be opened for appending, or is none (write_target).
  explicit AppendFile(const std::filesystem::path& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Throws FileError (disk full); nothing of the record stays in the file then.
  void append(std::string_view record);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace onestep::io
