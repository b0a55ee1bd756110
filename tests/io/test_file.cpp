// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/file_size_limit.h"
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
