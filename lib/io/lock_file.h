// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace onestep::io {

/// A file that one process at a time may hold (flock). It says who does, and stays when nobody does; the
/// system lets go of it when its holder ends, however that happens.
class LockFile {
 public:
  /// Takes the lock; no value where another process holds it. Throws SystemError when the file can't be
  /// opened or locked.
  static std::optional<LockFile> try_lock(const std::filesystem::path& path);

  LockFile(LockFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

/// "process 123 on HOST", as the holder wrote it; "another process" where the file doesn't say.
std::string lock_holder(const std::filesystem::path& path);

}  // namespace onestep::io
