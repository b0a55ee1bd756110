// SPDX-License-Identifier: Apache-2.0
#include "io/file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/system_error.h"

namespace onestep::io {

MappedFile::MappedFile(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw SystemError(path);
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  const int error = errno;
  if (!known || !S_ISREG(status.st_mode)) {
    ::close(fd);
    if (known) throw FileError(path, "is not a regular file");
    throw SystemError(path, "", error);
  }
  if (status.st_size > 0) {
    size_ = static_cast<size_t>(status.st_size);
    void* start = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    const int map_error = errno;
    ::close(fd);
    if (start == MAP_FAILED) throw SystemError(path, "cannot be mapped", map_error);
    data_ = static_cast<char*>(start);
  } else {
    ::close(fd);
  }
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

std::string read_file(const std::filesystem::path& path, uint64_t limit) {
  const MappedFile file(path);
  if (file.size() > limit)
    throw FileError(path, "has " + std::to_string(file.size()) + " bytes; at most " + std::to_string(limit) +
                              " are expected");
  return std::string(file.bytes());
}

}  // namespace onestep::io
