// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <catch2/catch.hpp>
#include <zip.h>

#include "io/zip_reader.h"
#include "io/zip_writer.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;

namespace {

/// One archive of the same bytes for each member, packed and perhaps locked.
void pack(const std::filesystem::path& path, const std::vector<std::string>& names, const std::string& bytes,
          int method = ZIP_CM_DEFLATE, bool encrypted = false) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  REQUIRE(archive);
  for (const std::string& name : names) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const auto index = static_cast<zip_uint64_t>(zip_file_add(archive, name.c_str(), source, 0));
    REQUIRE(zip_set_file_compression(archive, index, method, 0) == 0);
    if (encrypted) REQUIRE(zip_file_set_encryption(archive, index, ZIP_EM_AES_256, "secret") == 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

std::string unpacking_error(const std::filesystem::path& path, uint64_t limit = 1 << 20) {
  const MappedFile file(path);
  const ZipReader archive(path, file, "a zip archive");
  try {
    for (const ZipMember& member : archive.members()) archive.read(member.index, limit);
  } catch (const ZipError& error) {
    return error.what();
  }
  return "";
}

std::string open_error(const std::filesystem::path& path) {
  return file_error([&] {
    const MappedFile file(path);
    ZipReader(path, file, "a zip archive").members();
  });
}

}  // namespace

TEST_CASE("zip: members in the archive's order, whole, whatever their names") {
  const TemporaryFolder folder;
  const auto path = folder / "a.zip";
  write_zip(path, {{"b/2.txt", "two"}, {"../../etc/x", "no path"}, {"a", ""}});
  const MappedFile file(path);
  const ZipReader archive(path, file, "a zip archive");
  const std::vector<ZipMember> members = archive.members();
  REQUIRE(members.size() == 3);
  CHECK(members[0].name == "b/2.txt");
  CHECK(members[0].size == 3);
  CHECK(members[1].name == "../../etc/x");
  CHECK(archive.read(members[0].index, 3) == "two");
  CHECK(archive.read(members[1].index, 100) == "no path");
  CHECK(archive.read(members[2].index, 0) == "");
}

TEST_CASE("zip: readers of one mapping side by side give what one gives") {
  const TemporaryFolder folder;
  const auto path = folder / "a.zip";
  std::string bytes;
  for (int i = 0; i < 20'000; ++i) bytes += std::to_string(i * 7919 % 1000);
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back(std::to_string(i));
  pack(path, names, bytes);
  const MappedFile file(path);
  std::vector<int> right(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : right)
      threads.emplace_back([&] {
        const ZipReader archive(path, file, "a zip archive");
        for (const ZipMember& member : archive.members())
          count += archive.read(member.index, 1 << 20) == bytes;
      });
  }
  CHECK(right == std::vector<int>{20, 20, 20, 20});
}

TEST_CASE("zip: what cannot be unpacked is refused with a reason") {
  const TemporaryFolder folder;
  const auto path = folder / "a.zip";
  write_bytes(path, "hello");
  CHECK_THAT(open_error(path), Contains("a.zip: is not a zip archive, or is truncated"));
  pack(path, {"a"}, "hello", ZIP_CM_BZIP2);
  CHECK(unpacking_error(path) == "is packed by another method than deflate");
  pack(path, {"a"}, "hello", ZIP_CM_STORE, true);
  CHECK(unpacking_error(path) == "is encrypted");
  pack(path, {"a"}, "hello", ZIP_CM_STORE);
  CHECK(unpacking_error(path) == "");
  CHECK(unpacking_error(path, 4) == "has 5 bytes; at most 4 are expected");
  std::string whole = read_bytes(path);
  whole[whole.find("hello")] = 'j';
  write_bytes(path, whole);
  CHECK_THAT(unpacking_error(path), Contains("CRC"));
}

TEST_CASE("zip: bombs are refused before anything is unpacked") {
  const TemporaryFolder folder;
  const auto path = folder / "a.zip";
  pack(path, {"a"}, std::string(100'000, 'x'));
  std::string whole = read_bytes(path);
  const size_t entry = whole.rfind("PK\x01\x02");
  SECTION("a size that deflate cannot reach") {
    whole.replace(entry + 24, 4, std::string("\0\0\0\xf0", 4));
    write_bytes(path, whole);
    CHECK(unpacking_error(path) == "declares a size that its data cannot have");
  }
  SECTION("members that share their data") {
    // Twenty entries of the directory for the one member, as in archives of overlapping files.
    const size_t end = whole.rfind("PK\x05\x06");
    const std::string one = whole.substr(entry, end - entry);
    std::string directory;
    for (int i = 0; i < 20; ++i) directory += one;
    std::string tail = whole.substr(end);
    const auto put = [&](size_t place, size_t value, int bytes) {
      for (int i = 0; i < bytes; ++i) tail[place + i] = static_cast<char>(value >> 8 * i);
    };
    put(8, 20, 2);
    put(10, 20, 2);
    put(12, directory.size(), 4);
    whole = whole.substr(0, entry) + directory + tail;
    write_bytes(path, whole);
    CHECK_THAT(open_error(path), Contains("declares more data than it holds, with member 'a'"));
  }
}
