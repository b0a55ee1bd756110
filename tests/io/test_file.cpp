// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/file_size_limit.h"
#include "io/folder.h"
#include "io/jsonl.h"
#include "io/system_error.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;
using Catch::StartsWith;

TEST_CASE("a FileError carries its path and says it first") {
  const FileError error("some/model.safetensors", "is torn");
  CHECK(error.path() == "some/model.safetensors");
  CHECK(std::string(error.what()) == "some/model.safetensors: is torn");
}

TEST_CASE("a mapped file shows the bytes, and keeps what is written to it to itself") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "hello");
  MappedFile file(folder / "a");
  CHECK(file.bytes() == "hello");
  file.data()[0] = 'J';
  CHECK(file.bytes() == "Jello");
  CHECK(read_bytes(folder / "a") == "hello");
}

TEST_CASE("a mapped file keeps its content when another one takes its name") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  const MappedFile file(folder / "a");
  write_file_atomically(folder / "a", "newer");
  CHECK(file.bytes() == "old");
  CHECK(read_file(folder / "a") == "newer");
}

TEST_CASE("an empty file is no error") {
  const TemporaryFolder folder;
  write_bytes(folder / "empty", "");
  CHECK(read_file(folder / "empty").empty());
}

TEST_CASE("what is no readable regular file is refused at once") {
  const TemporaryFolder folder;
  CHECK_THAT(file_error([&] { read_file(folder / "none"); }), Contains("none: No such file or directory"));
  CHECK_THAT(file_error([&] { read_file(folder.path()); }), Contains("is not a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);  // would block for ever if it were opened plainly
  CHECK_THAT(file_error([&] { read_file(folder / "pipe"); }), Contains("is not a regular file"));
  write_bytes(folder / "long", "12345");
  CHECK_THAT(file_error([&] { read_file(folder / "long", 4); }),
             Contains("has 5 bytes; at most 4 are expected"));
  CHECK(read_file(folder / "long", 5) == "12345");
}

TEST_CASE("what the system refuses can be told from content that is at fault") {
  const TemporaryFolder folder;
  write_bytes(folder / "long", "12345");
  CHECK_THROWS_AS(read_file(folder / "none"), SystemError);
  CHECK_THROWS_AS(read_file(folder / "long" / "x"), SystemError);
  CHECK_THROWS_AS(write_file_atomically(folder / "none/x", ""), SystemError);
  try {
    read_file(folder / "long", 4);
    FAIL("a file that is too long was read");
  } catch (const SystemError&) {
    FAIL("the system is blamed for a file that is too long");
  } catch (const FileError&) {
    SUCCEED();
  }
}

TEST_CASE("an atomic write makes or replaces one file and leaves nothing else") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "report.html", "first, and longer");
  write_file_atomically(folder / "report.html", "second");
  CHECK(read_bytes(folder / "report.html") == "second");
  CHECK(folder.entries() == 1);
}

TEST_CASE("without commit nothing appears and the temporary file goes") {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("half of it");
    CHECK(folder.entries() == 1);
    CHECK_FALSE(std::filesystem::exists(folder / "a"));
  }
  CHECK(folder.entries() == 0);
}

TEST_CASE("two writers of one name do not mix") {
  const TemporaryFolder folder;
  AtomicFile one(folder / "a"), two(folder / "a");
  one.write("one");
  two.write("two");
  one.commit();
  two.commit();
  CHECK(read_bytes(folder / "a") == "two");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a disk that fills leaves the old file whole and no rubbish") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "the old one");
  {
    const FileSizeLimit full(1000);
    const std::string message =
        file_error([&] { write_file_atomically(folder / "a", std::string(5000, 'x')); });
    CHECK_THAT(message, StartsWith((folder / "a").string()) && Contains("cannot be written: File too large"));
  }
  CHECK(read_bytes(folder / "a") == "the old one");
  CHECK(folder.entries() == 1);
}

TEST_CASE("folders that cannot be written to, and targets that must not be replaced") {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "");
  CHECK_THAT(file_error([&] { write_file_atomically((folder / "file") / "a", "x"); }),
             Contains("Not a directory"));
  CHECK_THAT(file_error([&] { write_file_atomically((folder / "none") / "a", "x"); }),
             Contains("No such file"));
  CHECK_THAT(file_error([&] { write_file_atomically(folder.path(), "x"); }),
             Contains("is not a regular file"));
  CHECK_THAT(file_error([&] { write_file_atomically("/dev/null", "x"); }), Contains("is not a regular file"));
}

TEST_CASE("a file behind links is replaced and the links stay") {
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  fs::create_directories(folder / "store");
  write_bytes(folder / "store/x", "old");
  fs::create_symlink("store/x", folder / "near");
  fs::create_symlink(folder / "near", folder / "far");
  fs::create_directory_symlink("store", folder / "shop");
  for (const char* name : {"near", "far", "shop/x"}) {
    write_file_atomically(folder / name, name);
    CHECK(read_bytes(folder / "store/x") == name);
    CHECK_FALSE(fs::is_symlink(folder / "store/x"));
  }
  CHECK(fs::is_symlink(folder / "near"));
  CHECK(fs::is_symlink(folder / "far"));
  CHECK(std::distance(fs::directory_iterator(folder / "store"), {}) == 1);

  fs::create_symlink("store/new", folder / "dangling");
  write_file_atomically(folder / "dangling", "made");
  CHECK(fs::is_symlink(folder / "dangling"));
  CHECK(read_bytes(folder / "store/new") == "made");
}

TEST_CASE("links that lead nowhere a file can be, in circles or to the system's files") {
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  const auto problem = [&](const fs::path& path) {
    return file_error([&] { write_file_atomically(path, "x"); });
  };
  const auto link = [&](const std::string& name, const fs::path& target) {
    fs::create_symlink(target, folder / name);
    return folder / name;
  };
  link("left", "right");
  CHECK_THAT(problem(link("right", "left")), Contains("Too many levels of symbolic links"));
  CHECK_THAT(problem(link("lost", "none/x")), Contains("No such file"));
  CHECK_THAT(problem(link("folder", ".")), Contains("is not a regular file"));
  CHECK_THAT(problem(link("null", "/dev/null")), Contains("is not a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(problem(link("to_pipe", "pipe")), Contains("is not a regular file"));
  CHECK_THAT(problem("/dev/onestep-none"), Contains("lies in /dev"));
  CHECK_THAT(problem("/proc/self/comm"), Contains("lies in /proc"));
  CHECK_THAT(problem(link("device", "/dev/onestep-none")), Contains("leads into /dev"));
  CHECK_THAT(problem(link("devices", "/dev") / "onestep-none"), Contains("lies in /dev"));
  // A descriptor of a regular file, as /dev/stdout is when it goes to a file.
  write_bytes(folder / "stdout", "kept");
  const int fd = ::open((folder / "stdout").c_str(), O_WRONLY | O_APPEND);
  REQUIRE(fd >= 0);
  const fs::path open_file = "/dev/fd/" + std::to_string(fd);
  CHECK_THAT(problem(open_file), Contains("lies in /proc"));
  CHECK_THAT(problem(link("open", open_file)), Contains("leads into /proc"));
  CHECK_THAT(file_error([&] { JsonLines log(open_file); }), Contains("lies in /proc"));
  ::close(fd);
  CHECK(read_bytes(folder / "stdout") == "kept");
  CHECK_FALSE(fs::is_symlink(folder / "stdout"));
  CHECK_THAT(file_error([&] { JsonLines log(folder / "pipe"); }), Contains("is not a regular file"));
}

TEST_CASE("a file that is replaced passes its mode on") {
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  const mode_t old = ::umask(022);
  write_file_atomically(folder / "a", "new");
  CHECK(fs::status(folder / "a").permissions() == fs::perms(0644));
  for (const unsigned mode : {0600u, 0664u, 0444u}) {  // narrower and wider than a new file
    fs::permissions(folder / "a", fs::perms(mode));
    write_file_atomically(folder / "a", "newer");
    CHECK(fs::status(folder / "a").permissions() == fs::perms(mode));
    AtomicFile half(folder / "a");
    for (const auto& entry : fs::directory_iterator(folder.path()))
      if (entry.path() != folder / "a") CHECK(entry.status().permissions() == fs::perms(mode));
  }
  ::umask(old);
}

TEST_CASE("folders that cannot be made, listed or asked for are FileErrors") {
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  make_folders(folder / "a/b");
  make_folders(folder / "a/b");
  CHECK(fs::is_directory(folder / "a/b"));
  write_bytes(folder / "a/file", "");
  CHECK(entries_of(folder / "a") == std::vector<fs::path>{folder / "a/b", folder / "a/file"});
  CHECK(path_exists(folder / "a/file"));
  CHECK_FALSE(path_exists(folder / "a/none"));
  CHECK_FALSE(path_exists(folder / "a/file/none"));
  CHECK_THAT(file_error([&] { make_folders(folder / "a/file"); }), Contains("a/file: can't be made: "));
  CHECK_THAT(file_error([&] { make_folders(folder / "a/file/c"); }), Contains("a/file/c: can't be made: "));
  CHECK_THAT(file_error([&] { entries_of(folder / "none"); }), Contains("cannot be listed: No such file"));
  CHECK_THAT(file_error([&] { path_exists(folder / std::string(300, 'x')); }), Contains("too long"));
}
