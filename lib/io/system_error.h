// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "io/file_error.h"

namespace onestep::io {

/// A FileError that the system is the cause of: no such file, no permission, disk full, an I/O error. Of what
/// the file holds it says nothing, so that no file may be taken for damaged because of it. `what()` is
/// "path: message: the system's reason".
class SystemError : public FileError {
 public:
  explicit SystemError(const std::filesystem::path& path, const std::string& message = "", int cause = errno)
      : FileError(path, (message.empty() ? "" : message + ": ") + std::generic_category().message(cause)) {}
};

}  // namespace onestep::io
