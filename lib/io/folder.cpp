// SPDX-License-Identifier: Apache-2.0
#include "io/folder.h"

#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

#include "io/system_error.h"

namespace onestep::io {

namespace fs = std::filesystem;

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw SystemError(path, "can't be made", error.value());
}

bool path_exists(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::status_known(status)) throw SystemError(path, "", error.value());
  return fs::exists(status);
}

bool others_can_write(const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return false;
  return (status.st_uid != ::geteuid() && status.st_uid != 0) || (status.st_mode & S_IWOTH) != 0 ||
         ((status.st_mode & S_IWGRP) != 0 && status.st_gid != ::getegid());
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    entries.push_back(it->path());
  if (error) throw SystemError(folder, "cannot be listed", error.value());
  std::ranges::sort(entries);
  return entries;
}

}  // namespace onestep::io
