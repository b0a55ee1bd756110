// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "io/atomic_file.h"
#include "io/lock_file.h"
#include "io/system_error.h"
#include "temporary_folder.h"

using namespace onestep;
namespace fs = std::filesystem;

TEST_CASE("A lock has one holder, who is named; it ends with its holder") {
  const TemporaryFolder folder;
  const fs::path path = folder / "lock";
  {
    const auto lock = io::LockFile::try_lock(path);
    REQUIRE(lock);
    CHECK_FALSE(io::LockFile::try_lock(path));
    CHECK_THAT(io::lock_holder(path), Catch::StartsWith("process " + std::to_string(getpid()) + " on "));
    // Another process sees the same, and dies holding nothing.
    const pid_t child = fork();
    if (child == 0) _exit(io::LockFile::try_lock(path) ? 1 : 0);
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  CHECK(io::LockFile::try_lock(path));
}

TEST_CASE("A lock is no way to write elsewhere, and says nothing that is not plain") {
  const TemporaryFolder folder;
  write_bytes(folder / "precious", "process \033[31m");
  fs::create_symlink("precious", folder / "lock");
  CHECK_THROWS_AS(io::LockFile::try_lock(folder / "lock"), io::SystemError);
  CHECK(read_bytes(folder / "precious") == "process \033[31m");
  CHECK(io::lock_holder(folder / "precious") == "another process");
  CHECK(io::lock_holder(folder / "none") == "another process");
  CHECK_THROWS_AS(io::LockFile::try_lock(folder / "no/lock"), io::SystemError);
}

TEST_CASE("What a killed process left half-written is removed, and nothing else") {
  const TemporaryFolder folder;
  for (const char* name :
       {".model.safetensors.99-0.tmp", ".a.png.1-12.tmp", ".mine.tmp", "x.99-0.tmp", ".lock"})
    write_bytes(folder / name, "x");
  io::remove_temporary_files(folder.path());
  CHECK_FALSE(fs::exists(folder / ".model.safetensors.99-0.tmp"));
  CHECK_FALSE(fs::exists(folder / ".a.png.1-12.tmp"));
  for (const char* name : {".mine.tmp", "x.99-0.tmp", ".lock"}) CHECK(fs::exists(folder / name));
  CHECK_NOTHROW(io::remove_temporary_files(folder / "none"));
}
