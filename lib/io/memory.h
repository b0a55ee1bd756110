// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace onestep::io {

/// Work that needs more memory than there is. `what()` is one line: what, how much, and the cure. The apps
/// answer it with exit code 2.
class TooLittleMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Bytes that this process may still take: the least of what the machine has without swapping (MemAvailable
/// of /proc/meminfo), what its control groups leave (v1 and v2, and those above them: containers, batch
/// systems) and what `ulimit -v` and `ulimit -d` leave. What cannot be read does not limit; the largest
/// number where nothing can. /proc and /sys are looked for under `root`.
uint64_t available_memory(const std::filesystem::path& root = "/");

/// "35 GiB", "1.4 GiB", "812 MiB", "12 KiB".
std::string memory_text(double bytes);

/// Throws TooLittleMemory, "`what` needs about 35 GiB, 22 GiB are free: `cure`", when `bytes` are more than
/// available_memory(). To be called before what it speaks of is taken; a number beyond 64 bits is one, too.
void require_memory(const std::string& what, double bytes, const std::string& cure);

}  // namespace onestep::io
