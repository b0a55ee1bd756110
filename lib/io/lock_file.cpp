// SPDX-License-Identifier: Apache-2.0
#include "io/lock_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <unistd.h>

#include "io/system_error.h"

namespace onestep::io {

std::optional<LockFile> LockFile::try_lock(const std::filesystem::path& path) {
  // Not through a link: what it leads to is somebody's file, and would be cut.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (fd < 0) throw SystemError(path, "cannot be opened");
  LockFile lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw SystemError(path, "cannot be locked");
  }
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string holder = "process " + std::to_string(::getpid()) + " on " + host + "\n";
  // On a full disk the lock holds as well; it only doesn't say whose it is.
  if (::ftruncate(fd, 0) == 0 && ::write(fd, holder.data(), holder.size()) < 0) return lock;
  return lock;
}

LockFile::~LockFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::string lock_holder(const std::filesystem::path& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  const bool plain =
      line.size() < 300 && std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; });
  return plain && line.starts_with("process ") ? line : "another process";
}

}  // namespace onestep::io
