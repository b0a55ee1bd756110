// SPDX-License-Identifier: Apache-2.0
#include "io/memory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace onestep::io {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

uint64_t left_of(uint64_t limit, uint64_t taken) {
  return limit - std::min(limit, taken);
}

/// The number behind `key` in lines of "key number" or "key: number kB"; the first number where key is "".
std::optional<uint64_t> number_in(const fs::path& path, const std::string& key = "") {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    if (!key.empty() && (!(words >> name) || (name != key && name != key + ":"))) continue;
    uint64_t number = 0;
    if (words >> number) return number;
    if (key.empty()) break;  // "max"
  }
  return std::nullopt;
}

uint64_t left_by_machine(const fs::path& root) {
  const std::optional<uint64_t> kib = number_in(root / "proc/meminfo", "MemAvailable");
  return kib ? *kib * 1024 : kUnlimited;
}

/// Names of a control group's files: version 2 and version 1.
struct GroupFiles {
  fs::path mount;
  const char *limit, *taken;
};

/// Of the group `path` and all above it. A container may show its host's path, and mount its own group as the
/// root: folders that are not there do not limit.
uint64_t left_by_groups(const GroupFiles& files, fs::path path) {
  uint64_t left = kUnlimited;
  for (path = path.relative_path();; path = path.parent_path()) {
    const fs::path group = files.mount / path;
    const std::optional<uint64_t> limit = number_in(group / files.limit),
                                  taken = number_in(group / files.taken);
    // Cached files count as taken, and go when memory is asked for.
    const uint64_t cached = number_in(group / "memory.stat", "inactive_file").value_or(0);
    if (limit && taken) left = std::min(left, left_of(*limit, left_of(*taken, cached)));
    if (path.empty()) return left;
  }
}

uint64_t left_by_control(const fs::path& root) {
  uint64_t left = kUnlimited;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "hierarchy:controllers:path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                      path = line.substr(second + 1);
    if (controllers == ",,")
      left = std::min(left, left_by_groups({root / "sys/fs/cgroup", "memory.max", "memory.current"}, path));
    if (controllers.find(",memory,") != std::string::npos)
      left = std::min(
          left, left_by_groups(
                    {root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"}, path));
  }
  return left;
}

uint64_t left_by_limit(decltype(RLIMIT_AS) resource, uint64_t taken_pages) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return left_of(limit.rlim_cur, taken_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
}

uint64_t left_by_limits(const fs::path& root) {
  std::ifstream file(root / "proc/self/statm");  // pages: size resident shared text lib data dt
  uint64_t pages[6] = {};
  for (uint64_t& count : pages) file >> count;
  return std::min(left_by_limit(RLIMIT_AS, pages[0]), left_by_limit(RLIMIT_DATA, pages[5]));
}

}  // namespace

uint64_t available_memory(const fs::path& root) {
  return std::min({left_by_machine(root), left_by_control(root), left_by_limits(root)});
}

std::string memory_text(double bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double size = bytes / 1024.0;
  size_t unit = 0;
  for (; size >= 1000.0 && unit + 1 < std::size(kUnits); ++unit) size /= 1024.0;
  char text[64];
  std::snprintf(text, sizeof text, size < 9.95 ? "%.1f %s" : "%.0f %s", size, kUnits[unit]);
  return text;
}

void require_memory(const std::string& what, double bytes, const std::string& cure) {
  const auto available = static_cast<double>(available_memory());
  if (bytes <= available) return;
  throw TooLittleMemory(what + " needs about " + memory_text(bytes) + ", " + memory_text(available) +
                        " are free: " + cure);
}

}  // namespace onestep::io
