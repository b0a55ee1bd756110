// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>

#include "config/printable.h"

namespace onestep::io {

/// A file that cannot be read, is not what it claims to be, or cannot be written. `what()` is one
/// printable line, "path: message". The apps answer it with exit code 3.
class FileError : public std::runtime_error {
 public:
  FileError(const std::filesystem::path& path, const std::string& message)
      : std::runtime_error(config::printable(path.string() + ": " + message)), path_(path) {}

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace onestep::io
