// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "io/memory.h"
#include "temporary_folder.h"

using namespace onestep;

namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

/// Files of /proc and /sys under a root of the test's own.
struct Root {
  TemporaryFolder folder;
  void put(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder / name).parent_path());
    write_bytes(folder / name, text);
  }
};

void put_machine(const Root& root, uint64_t available) {
  root.put("proc/meminfo",
           "MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:   " + std::to_string(available / 1024) + " kB\n");
}

}  // namespace

TEST_CASE("available memory is what the machine has without swapping") {
  const Root root;
  CHECK(io::available_memory(root.folder.path()) == std::numeric_limits<uint64_t>::max());
  put_machine(root, 7 * kGiB);
  CHECK(io::available_memory(root.folder.path()) == 7 * kGiB);
  CHECK(io::available_memory() > (uint64_t{1} << 26));
  CHECK(io::available_memory() < (uint64_t{1} << 50));
}

TEST_CASE("available memory is what the control group leaves, and every one above it") {
  const Root root;
  put_machine(root, 100 * kGiB);
  SECTION("version 2") {
    root.put("proc/self/cgroup", "0::/job/step\n");
    const std::string job = "sys/fs/cgroup/job/";
    root.put(job + "step/memory.max", "max\n");
    root.put(job + "step/memory.current", "5\n");
    CHECK(io::available_memory(root.folder.path()) == 100 * kGiB);
    root.put(job + "memory.max", std::to_string(10 * kGiB) + "\n");
    root.put(job + "memory.current", std::to_string(6 * kGiB) + "\n");
    CHECK(io::available_memory(root.folder.path()) == 4 * kGiB);
    root.put(job + "memory.stat", "anon 5\nfile 7\ninactive_file " + std::to_string(kGiB) + "\n");
    CHECK(io::available_memory(root.folder.path()) == 5 * kGiB);
    root.put(job + "memory.current", std::to_string(12 * kGiB) + "\n");
    CHECK(io::available_memory(root.folder.path()) == 0);
  }
  SECTION("version 1, in a container that mounts its own group and shows its host's path") {
    root.put("proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/docker/7\n0::/\n");
    root.put("sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(3 * kGiB) + "\n");
    root.put("sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(kGiB) + "\n");
    CHECK(io::available_memory(root.folder.path()) == 2 * kGiB);
  }
}

TEST_CASE("available memory is what ulimit leaves") {
  const auto resource = GENERATE(as<int>{}, RLIMIT_AS, RLIMIT_DATA);
  const auto kind = static_cast<decltype(RLIMIT_AS)>(resource);
  rlimit old{};
  REQUIRE(getrlimit(kind, &old) == 0);
  const Root root;
  // 1000 pages of addresses, 400 of data
  root.put("proc/self/statm", "1000 300 200 1 0 400 0\n");
  const uint64_t pages = resource == RLIMIT_AS ? 1000 : 400, limit = uint64_t{1} << 40;
  const rlimit lower{limit, old.rlim_max};
  REQUIRE(setrlimit(kind, &lower) == 0);
  const uint64_t left = io::available_memory(root.folder.path());
  REQUIRE(setrlimit(kind, &old) == 0);
  CHECK(left == limit - pages * 4096);
}

TEST_CASE("what needs more memory than there is is refused with what, how much and the cure") {
  CHECK_NOTHROW(io::require_memory("a stamp", 4096, "none"));
  try {
    io::require_memory("2 stamps of 1000000²", 1e30, "lower run.batch");
    FAIL("nothing was thrown");
  } catch (const io::TooLittleMemory& error) {
    CHECK_THAT(error.what(), Catch::StartsWith("2 stamps of 1000000² needs about 888178419700125 PiB, "));
    CHECK_THAT(error.what(), Catch::EndsWith(" are free: lower run.batch"));
  }
}

TEST_CASE("amounts of memory are written with two digits or more") {
  CHECK(io::memory_text(12.0 * 1024) == "12 KiB");
  CHECK(io::memory_text(3.0 * (1 << 20)) == "3.0 MiB");
  CHECK(io::memory_text(1000.0 * (1 << 20)) == "1.0 GiB");
  CHECK(io::memory_text(35.4 * (1 << 30)) == "35 GiB");
}
