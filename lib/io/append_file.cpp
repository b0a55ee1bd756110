// SPDX-License-Identifier: Apache-2.0
#include "io/append_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/system_error.h"

namespace onestep::io {

AppendFile::AppendFile(const std::filesystem::path& path)
    : path_(path), fd_(::open(write_target(path).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw SystemError(path, "cannot be written");
}

AppendFile::~AppendFile() {
  ::close(fd_);
}

void AppendFile::append(std::string_view record) {
  struct stat before {};
  const bool sized = ::fstat(fd_, &before) == 0 && S_ISREG(before.st_mode);
  const ssize_t written = ::write(fd_, record.data(), record.size());
  if (written == static_cast<ssize_t>(record.size())) return;
  const int error = written < 0 ? errno : ENOSPC;  // a short write to a file means that the disk is full
  const bool clean = written <= 0 || (sized && ::ftruncate(fd_, before.st_size) == 0);
  throw SystemError(path_, clean ? "cannot be written" : "cannot be written, and its last record is torn",
                    error);
}

}  // namespace onestep::io
