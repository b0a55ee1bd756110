// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <ATen/ops/empty.h>
#include <zlib.h>

#include "io/file.h"
#include "io/file_error.h"
#include "io/file_kind.h"

namespace onestep {
namespace {

constexpr int64_t kMaxBytes = int64_t{4} << 30;
constexpr int64_t kMaxInflation = 1040;  // deflate never does better than 1032 : 1

struct Close {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzFile = std::unique_ptr<gzFile_s, Close>;

GzFile open(const std::filesystem::path& path) {
  const int fd = io::open_regular(path);
  GzFile file(gzdopen(fd, "rb"));
  if (!file) {
    ::close(fd);
    throw io::FileError(path, "cannot be opened");
  }
  gzbuffer(file.get(), 1 << 17);
  return file;
}

/// Reads up to `size` bytes and returns how many there were; a damaged gzip stream throws.
int64_t read_some(gzFile file, const std::filesystem::path& path, uint8_t* bytes, int64_t size) {
  int64_t done = 0;
  while (done < size) {
    const int got =
        gzread(file, bytes + done, static_cast<unsigned>(std::min<int64_t>(size - done, 1 << 20)));
    int error = Z_OK;
    const char* message = gzerror(file, &error);
    if (error == Z_BUF_ERROR) throw io::FileError(path, "truncated: the gzip stream ends too early");
    if (got < 0) throw io::FileError(path, std::string("cannot be read: ") + message);
    if (got == 0) break;
    done += got;
  }
  return done;
}

std::vector<int64_t> read_sizes(gzFile file, const std::filesystem::path& path, int64_t rank) {
  std::vector<uint8_t> header(4 + 4 * rank);
  const auto size = static_cast<int64_t>(header.size());
  if (read_some(file, path, header.data(), size) != size) {
    throw io::FileError(path, "truncated: the idx header is incomplete");
  }
  const std::array<uint8_t, 4> magic = {0, 0, 8, static_cast<uint8_t>(rank)};
  if (!std::equal(magic.begin(), magic.end(), header.begin())) {
    throw io::FileError(path, "not an idx file of unsigned bytes with " + std::to_string(rank) +
                                  " dimensions" + io::instead(io::read_head(path, 512)));
  }
  std::vector<int64_t> sizes;
  for (int64_t d = 0; d < rank; ++d) {
    const uint8_t* b = header.data() + 4 + 4 * d;
    sizes.push_back(int64_t{b[0]} << 24 | b[1] << 16 | b[2] << 8 | b[3]);
  }
  return sizes;
}

int64_t checked_bytes(const std::filesystem::path& path, const std::vector<int64_t>& sizes) {
  std::error_code error;
  const uintmax_t stored = std::filesystem::file_size(path, error);
  if (error) throw io::FileError(path, error.message());
  const int64_t most = std::min(kMaxBytes, kMaxInflation * static_cast<int64_t>(stored));
  int64_t bytes = 1;
  for (const int64_t size : sizes) {
    if (size == 0) throw io::FileError(path, "declares an empty array");
    if (size > most / bytes) throw io::FileError(path, "declares more data than the file can hold");
    bytes *= size;
  }
  return bytes;
}

}  // namespace

at::Tensor read_idx(const std::filesystem::path& path, int64_t rank) {
  const GzFile file = open(path);
  const std::vector<int64_t> sizes = read_sizes(file.get(), path, rank);
  const int64_t bytes = checked_bytes(path, sizes);
  at::Tensor data = at::empty(sizes, at::kByte);
  const int64_t got = read_some(file.get(), path, data.mutable_data_ptr<uint8_t>(), bytes);
  if (got != bytes) {
    throw io::FileError(
        path, "truncated: " + std::to_string(got) + " of " + std::to_string(bytes) + " bytes of data");
  }
  // One read past the end also makes zlib compare the checksum of a gzip stream.
  uint8_t beyond = 0;
  if (read_some(file.get(), path, &beyond, 1) != 0) throw io::FileError(path, "has bytes after its data");
  return data;
}

}  // namespace onestep
