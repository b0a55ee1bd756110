// SPDX-License-Identifier: Apache-2.0
#include "io/file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/system_error.h"

namespace onestep::io {

namespace {

/// A descriptor that is closed at the end.
class Opened {
 public:
  explicit Opened(const std::filesystem::path& path) : path_(path), fd_(open_regular(path)) {}
  ~Opened() { ::close(fd_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  int fd() const { return fd_; }

  uint64_t size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) throw SystemError(path_);
    return static_cast<uint64_t>(status.st_size);
  }

  /// The next `most` bytes, or as many as there are.
  std::string read(uint64_t most) const {
    std::string bytes(most, '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = ::read(fd_, bytes.data() + done, bytes.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw SystemError(path_, "cannot be read");
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    bytes.resize(done);
    return bytes;
  }

 private:
  std::filesystem::path path_;
  int fd_;
};

}  // namespace

int open_regular(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw SystemError(path);
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  const int error = errno;
  if (known && S_ISREG(status.st_mode)) return fd;
  ::close(fd);
  if (known) throw FileError(path, "is not a regular file");
  throw SystemError(path, "", error);
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Opened file(path);
  size_ = file.size();
  if (size_ == 0) return;
  void* start = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.fd(), 0);
  if (start == MAP_FAILED) throw SystemError(path, "cannot be mapped");
  data_ = static_cast<char*>(start);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

std::string read_head(const std::filesystem::path& path, uint64_t most) {
  const Opened file(path);
  return file.read(std::min(most, file.size()));
}

std::string read_file(const std::filesystem::path& path, uint64_t limit) {
  const Opened file(path);
  const uint64_t size = file.size();
  if (size > limit)
    throw FileError(
        path, "has " + std::to_string(size) + " bytes; at most " + std::to_string(limit) + " are expected");
  std::string bytes = file.read(size);
  if (bytes.size() != size || file.size() != size) throw FileError(path, "changed while it was read");
  return bytes;
}

}  // namespace onestep::io
