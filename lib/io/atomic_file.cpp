// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "io/system_error.h"

namespace onestep::io {
namespace {

// A rename is on disk only once its folder is.
void sync_folder(const std::filesystem::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;  // a folder may be writable and not readable: the file is there, its safety is the system's
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  std::error_code ignored;
  const auto target = std::filesystem::status(path, ignored);
  // Renaming over, say, /dev/null would replace the device itself.
  if (std::filesystem::exists(target) && !std::filesystem::is_regular_file(target))
    throw FileError(path, "cannot be written: is not a regular file");
  const std::string stem = "." + path.filename().string() + "." + std::to_string(::getpid()) + "-";
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = path;
    temporary_.replace_filename(stem + std::to_string(attempt) + ".tmp");
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) fail("cannot be written");
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail("cannot be written to disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  ::close(fd_);
  fd_ = -1;
  sync_folder(path_);
}

void AtomicFile::fail(const std::string& what) const {
  throw SystemError(path_, what);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace onestep::io
