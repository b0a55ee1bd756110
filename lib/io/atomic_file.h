// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string_view>

#include "io/file_error.h"

namespace onestep::io {

/// A file that appears whole under its name or not at all, whatever happens to the process or the machine:
/// a hidden temporary file (".NAME.PID-N.tmp") in the same folder, fsync, rename, fsync of the folder.
/// Without commit() the destructor removes the temporary file. Every failure (no such folder, no permission,
/// disk full) is a SystemError, with its reason. Replaces regular files only, never a folder or a
/// device.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void commit();

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::filesystem::path path_, temporary_;
  int fd_ = -1;
};

/// AtomicFile in one call.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace onestep::io
