// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <catch2/catch.hpp>

#include "data/idx.h"
#include "idx_file.h"
#include "io/file_error.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

/// The bytes 0, 1, 2, ... (modulo 256).
std::string counting(int64_t size) {
  std::string data;
  for (int64_t i = 0; i < size; ++i) data += static_cast<char>(i);
  return data;
}

void check_refused(const std::filesystem::path& path, const std::string& message) {
  CAPTURE(path, message);
  CHECK_THROWS_AS(read_idx(path, 3), io::FileError);
  CHECK_THROWS_WITH(read_idx(path, 3), Contains(path.string()) && Contains(message));
}

}  // namespace

TEST_CASE("idx: the same array from a plain and a gzip file", "[idx]") {
  const TemporaryFolder folder;
  const std::string bytes = idx_bytes({2, 3, 4}, counting(24));
  write_plain(folder / "plain", bytes);
  write_gz(folder / "file.gz", bytes);
  const at::Tensor expected = at::arange(24, at::kByte).reshape({2, 3, 4});
  for (const char* name : {"plain", "file.gz"}) CHECK(at::equal(read_idx(folder / name, 3), expected));
}

TEST_CASE("idx: big-endian sizes above 255", "[idx]") {
  const TemporaryFolder folder;
  write_gz(folder / "long.gz", idx_bytes({259}, counting(259)));
  const at::Tensor data = read_idx(folder / "long.gz", 1);
  CHECK(data.size(0) == 259);
  CHECK(data[258].item<int64_t>() == 2);
}

TEST_CASE("idx: files that are missing or no idx files", "[idx]") {
  const TemporaryFolder folder;
  check_refused(folder / "missing", "No such file");
  check_refused(folder.path(), "is not a regular file");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  check_refused(folder / "pipe", "is not a regular file");
  write_plain(folder / "empty", "");
  check_refused(folder / "empty", "truncated");
  write_plain(folder / "text", "a text that is long enough to be a header");
  check_refused(folder / "text", "not an idx file of unsigned bytes with 3 dimensions");
  write_gz(folder / "rank", idx_bytes({4, 4}, counting(16)));
  check_refused(folder / "rank", "not an idx file of unsigned bytes with 3 dimensions");
  std::string floats = idx_bytes({1, 1, 1}, counting(4));
  floats[2] = '\x0d';
  write_plain(folder / "floats", floats);
  check_refused(folder / "floats", "not an idx file of unsigned bytes");
}

TEST_CASE("idx: data that do not match the header", "[idx]") {
  const TemporaryFolder folder;
  write_gz(folder / "short", idx_bytes({2, 3, 4}, counting(23)));
  check_refused(folder / "short", "truncated: 23 of 24 bytes");
  write_gz(folder / "trailing", idx_bytes({2, 3, 4}, counting(25)));
  check_refused(folder / "trailing", "bytes after its data");
  write_gz(folder / "none", idx_bytes({2, 0, 4}, ""));
  check_refused(folder / "none", "empty array");
  // 2^96 bytes wrap to 0 in 64 bits; 2^31 would be allocated if the length of the file were not asked.
  write_gz(folder / "overflow", idx_bytes({1U << 31, 1U << 31, 1U << 31}, counting(24)));
  check_refused(folder / "overflow", "more data than the file can hold");
  write_gz(folder / "huge", idx_bytes({1U << 31, 1, 1}, counting(24)));
  check_refused(folder / "huge", "more data than the file can hold");
}

TEST_CASE("idx: a well compressed file is not taken for a lie", "[idx]") {
  const TemporaryFolder folder;
  write_gz(folder / "zeros.gz", idx_bytes({1 << 22}, std::string(1 << 22, '\0')));
  CHECK(read_idx(folder / "zeros.gz", 1).size(0) == 1 << 22);
}

TEST_CASE("idx: torn and damaged gzip streams, at every length", "[idx]") {
  const TemporaryFolder folder;
  write_gz(folder / "whole", idx_bytes({2, 8, 8}, counting(128)));
  std::ifstream file(folder / "whole", std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    write_plain(folder / "torn", whole.substr(0, size));
    CHECK_THROWS_AS(read_idx(folder / "torn", 3), io::FileError);
  }
  std::string damaged = whole;
  damaged[whole.size() - 6] ^= 1;  // the checksum
  write_plain(folder / "damaged", damaged);
  check_refused(folder / "damaged", "cannot be read");
}
