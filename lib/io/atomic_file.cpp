// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.h"

#include <cerrno>
#include <fcntl.h>
#include <regex>
#include <sys/stat.h>
#include <unistd.h>

#include "io/folder.h"
#include "io/system_error.h"

namespace onestep::io {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as many as Linux follows

// A rename is on disk only once its folder is.
void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;  // a folder may be writable and not readable: the file is there, its safety is the system's
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

fs::path write_target(const fs::path& path) {
  const auto refuse = [&](const std::string& why) { throw FileError(path, "cannot be written: " + why); };
  std::error_code error;
  const auto require = [&] {
    if (error) throw SystemError(path, "cannot be written", error.value());
  };
  // Renaming over, say, /dev/null would replace the device itself.
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) refuse("is not a regular file");
  fs::path place = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    const fs::path folder = fs::canonical(place.has_parent_path() ? place.parent_path() : ".", error);
    require();
    for (const char* const system : {"/dev", "/proc"}) {
      const std::string inside = folder.string() + "/";  // /dev/shm is memory for everybody's files
      if (inside.starts_with(std::string(system) + "/") && !inside.starts_with("/dev/shm/"))
        refuse(std::string(links > 0 ? "leads into " : "lies in ") + system);
    }
    place = folder / place.filename();
    if (!fs::is_symlink(fs::symlink_status(place, error))) return place;
    const fs::path next = fs::read_symlink(place, error);
    require();
    place = folder / next;
  }
  throw SystemError(path, "cannot be written", ELOOP);
}

AtomicFile::AtomicFile(const fs::path& path) : path_(path), target_(write_target(path)) {
  struct stat old {};
  const bool replaces = ::stat(target_.c_str(), &old) == 0;
  const std::string stem = "." + target_.filename().string() + "." + std::to_string(::getpid()) + "-";
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = target_;
    temporary_.replace_filename(stem + std::to_string(attempt) + ".tmp");
    // At no moment may more people read it than the file that it replaces.
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, replaces ? 0600 : 0666);
    if (fd_ < 0 && errno != EEXIST) fail("cannot be written");
  }
  // Where the file system knows no modes, the narrow one is what there is.
  if (replaces) ::fchmod(fd_, old.st_mode & 07777);
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
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be put in place");
  ::close(fd_);
  fd_ = -1;
  sync_folder(target_.parent_path());
}

void AtomicFile::fail(const std::string& what) const {
  throw SystemError(path_, what);
}

void remove_temporary_files(const fs::path& folder) {
  static const std::regex name(R"(\..+\.[0-9]+-[0-9]+\.tmp)");
  if (!path_exists(folder)) return;
  for (const fs::path& path : entries_of(folder)) {
    std::error_code ignored;  // one that stays does no harm
    if (std::regex_match(path.filename().string(), name)) fs::remove(path, ignored);
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace onestep::io
