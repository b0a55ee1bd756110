// SPDX-License-Identifier: Apache-2.0
#include "io/zip_reader.h"

#include <zip.h>

namespace onestep::io {
namespace {

// Deflate cannot shrink more than 1032 : 1, so a member that declares more is lying.
constexpr uint64_t kMaxDeflateRatio = 1032;

zip_t* open_archive(const std::filesystem::path& path, const MappedFile& file, const std::string& kind) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (archive) return archive;
  if (source) zip_source_free(source);
  throw FileError(path, "is not " + kind + ", or is truncated: " + reason);
}

/// False when the directory does not tell.
bool describe(zip_t* archive, uint64_t index, zip_stat_t& status) {
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  return zip_stat_index(archive, index, 0, &status) == 0 && (status.valid & kNeeded) == kNeeded;
}

}  // namespace

ZipStream::ZipStream(zip_file* file, uint64_t size)
    : file_(file, [](zip_file* held) { zip_fclose(held); }), size_(size) {}

uint64_t ZipStream::read_some(void* to, uint64_t size) {
  const zip_int64_t count = zip_fread(file_.get(), to, size);
  if (count < 0) throw ZipError(std::string("cannot be unpacked: ") + zip_file_strerror(file_.get()));
  return static_cast<uint64_t>(count);
}

void ZipStream::read(void* to, size_t size) {
  for (auto* next = static_cast<char*>(to); size > 0;) {
    const uint64_t count = read_some(next, size);
    if (count == 0) throw ZipError("is truncated");
    next += count;
    size -= count;
  }
}

void ZipStream::finish() {
  char extra = 0;  // libzip compares the CRC when nothing is left
  if (read_some(&extra, 1) != 0) throw ZipError("is longer than the archive says");
}

ZipReader::ZipReader(const std::filesystem::path& path, const MappedFile& file, const std::string& kind)
    : path_(path), archive_size_(file.size()), archive_(open_archive(path, file, kind), zip_discard) {}

std::vector<ZipMember> ZipReader::members() const {
  std::vector<ZipMember> members;
  uint64_t unclaimed = archive_size_;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive_.get(), 0));
  for (zip_uint64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    if (!describe(archive_.get(), i, status)) throw FileError(path_, "has a damaged directory");
    if (status.comp_size > unclaimed)
      throw FileError(path_,
                      "declares more data than it holds, with member '" + std::string(status.name) + "'");
    unclaimed -= status.comp_size;
    const bool has_crc = (status.valid & ZIP_STAT_CRC) != 0;  // an encrypted member has none
    members.push_back({status.name, i, status.size, has_crc ? status.crc : 0});
  }
  return members;
}

ZipStream ZipReader::open(uint64_t index) const {
  zip_stat_t status;
  if (!describe(archive_.get(), index, status)) throw ZipError("has a damaged entry in the directory");
  if (status.encryption_method != ZIP_EM_NONE) throw ZipError("is encrypted");
  if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE)
    throw ZipError("is packed by another method than deflate");
  if (status.comp_size > archive_size_ || status.size / kMaxDeflateRatio > status.comp_size)
    throw ZipError("declares a size that its data cannot have");
  zip_file_t* file = zip_fopen_index(archive_.get(), index, 0);
  if (!file) throw ZipError(std::string("cannot be unpacked: ") + zip_strerror(archive_.get()));
  return {file, status.size};
}

std::string ZipReader::read(uint64_t index, uint64_t limit) const {
  ZipStream stream = open(index);
  if (stream.size() > limit)
    throw ZipError("has " + std::to_string(stream.size()) + " bytes; at most " + std::to_string(limit) +
                   " are expected");
  std::string bytes(stream.size(), '\0');
  stream.read(bytes.data(), bytes.size());
  stream.finish();
  return bytes;
}

}  // namespace onestep::io
