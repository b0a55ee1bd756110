// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/file.h"

struct zip;
struct zip_file;

namespace onestep::io {

/// What is wrong with a member, without its name and the archive's: the caller, who knows what it is, adds
/// them.
class ZipError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A member as the archive's directory declares it.
struct ZipMember {
  std::string name;    ///< UTF-8, '/' between folders; "../x" and "/x" are names like others, and never paths
  uint64_t index = 0;  ///< place in the directory, which is what a member is opened by
  uint64_t size = 0;   ///< bytes unpacked
  uint32_t crc = 0;    ///< CRC-32 of those; every reader compares it
};

/// The bytes of one member, in order. It must not outlive its reader.
class ZipStream {
 public:
  uint64_t size() const { return size_; }  ///< as declared
  /// The next `size` bytes. Throws ZipError: damaged, or too few are left.
  void read(void* to, size_t size);
  /// To be called when all is read: throws ZipError unless the member ends here and its CRC is right.
  void finish();

 private:
  friend class ZipReader;
  ZipStream(zip_file* file, uint64_t size);
  uint64_t read_some(void* to, uint64_t size);

  std::unique_ptr<zip_file, void (*)(zip_file*)> file_;
  uint64_t size_;
};

/// An archive (stored or deflated members, zip64 too) of any origin. One thread at a time uses a reader;
/// more of them can read one MappedFile side by side, each of which has to outlive its readers.
class ZipReader {
 public:
  /// Throws FileError, "is not `kind`, or is truncated: …". Reads the directory alone.
  ZipReader(const std::filesystem::path& path, const MappedFile& file, const std::string& kind);

  /// All members in the order of the directory, folders too (their names end in '/'). Throws FileError when
  /// the directory is damaged, or declares more data than the archive holds (members that overlap, the means
  /// of the worst zip bombs).
  std::vector<ZipMember> members() const;

  /// Throws ZipError: encrypted, packed by another method than deflate, or of a size that its data cannot
  /// unpack to. What is taken in memory for it is the caller's to bound, by size().
  ZipStream open(uint64_t index) const;

  /// A whole member, checked. Throws ZipError as above and when it is of more than `limit` bytes.
  std::string read(uint64_t index, uint64_t limit) const;

 private:
  std::filesystem::path path_;
  uint64_t archive_size_;
  std::unique_ptr<zip, void (*)(zip*)> archive_;
};

}  // namespace onestep::io
