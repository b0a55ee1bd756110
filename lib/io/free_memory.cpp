// SPDX-License-Identifier: Apache-2.0
#include "io/free_memory.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace onestep::io {
namespace {

uint64_t pages(uint64_t count) {
  return count * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
}

uint64_t available() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  for (uint64_t kib = 0; file >> name >> kib; file.ignore(256, '\n'))
    if (name == "MemAvailable:") return kib * 1024;
  return pages(static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)));  // a system without /proc
}

}  // namespace

uint64_t free_memory() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return available();
  uint64_t taken_pages = 0;
  std::ifstream("/proc/self/statm") >> taken_pages;
  const uint64_t taken = std::min<uint64_t>(pages(taken_pages), limit.rlim_cur);
  return std::min(available(), limit.rlim_cur - taken);
}

}  // namespace onestep::io
