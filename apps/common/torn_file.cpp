// SPDX-License-Identifier: Apache-2.0
#include "apps/common/torn_file.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace onestep {
namespace {

// A signal handler may not allocate, and calls nothing but the kernel and these.
constexpr int kBadFile = 3;
constexpr size_t kLine = 8192;

void say(const char* text, size_t size) {
  if (::write(STDERR_FILENO, text, size) < 0) return;  // there is nobody else to tell
}

/// Of "begin-end perms offset device inode   path" the path, when `address` lies between begin and end.
const char* path_in(const char* line, uint64_t address) {
  uint64_t bounds[2]{};
  for (uint64_t& bound : bounds) {
    for (; *line && *line != '-' && *line != ' '; ++line)
      bound = bound << 4 | static_cast<uint64_t>(*line <= '9' ? *line - '0' : *line - 'a' + 10);
    if (*line) ++line;
  }
  return address >= bounds[0] && address < bounds[1] ? std::strchr(line, '/') : nullptr;
}

/// Writes the path of the file that is mapped at `address`, as the kernel lists it; false when there is none.
bool say_path(uint64_t address) {
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  char line[kLine];
  size_t length = 0;
  bool found = false;
  for (char c = 0; !found && ::read(maps, &c, 1) == 1;) {
    if (c != '\n') {
      if (length + 1 < kLine) line[length++] = c;
      continue;
    }
    line[length] = '\0';
    length = 0;
    const char* path = path_in(line, address);
    if (path) say(path, std::strlen(path));
    found = path != nullptr;
  }
  ::close(maps);
  return found;
}

void end(int, siginfo_t* info, void*) {
  constexpr char kNoName[] = "a mapped file", kReason[] = ": changed while it was read\n";
  if (!say_path(reinterpret_cast<uint64_t>(info->si_addr))) say(kNoName, sizeof kNoName - 1);
  say(kReason, sizeof kReason - 1);
  ::_exit(kBadFile);
}

}  // namespace

void catch_torn_files() {
  struct sigaction action {};
  action.sa_sigaction = end;
  action.sa_flags = SA_SIGINFO | SA_RESETHAND;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace onestep
