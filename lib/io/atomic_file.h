// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string_view>

#include "io/file_error.h"

namespace onestep::io {

/// The file that writing to `path` means: symbolic links are followed, to a file that need not exist yet, in
/// a folder that must. Throws FileError for what is there and is no regular file (a folder, a pipe, a
/// device), and for all that lies in /dev or /proc or leads there: it is the system's, /dev/stdout included
/// even where it is a regular file at the moment.
std::filesystem::path write_target(const std::filesystem::path& path);

/// A file that appears whole under its name or not at all, whatever happens to the process or the machine:
/// a hidden temporary file (".NAME.PID-N.tmp") in the same folder, fsync, rename, fsync of the folder.
/// Without commit() the destructor removes the temporary file. Every failure (no such folder, no permission,
/// disk full) is a SystemError with the system's reason. `path` is taken as write_target takes it; a file
/// that is replaced passes its mode on.
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

  std::filesystem::path path_, target_, temporary_;  ///< as given, behind its links, and beside that
  int fd_ = -1;
};

/// Removes the temporary files that AtomicFiles of killed processes left in a folder, in which nobody else
/// may be writing. A folder that is not there has none.
void remove_temporary_files(const std::filesystem::path& folder);

/// AtomicFile in one call.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace onestep::io
