// SPDX-License-Identifier: Apache-2.0
#include "io/zip_writer.h"

#include <memory>

#include <zip.h>

#include "io/atomic_file.h"

namespace onestep::io {
namespace {

constexpr time_t kNoTime = 315532800;  // 1980-01-01, where a zip's calendar begins

using Source = std::unique_ptr<zip_source_t, void (*)(zip_source_t*)>;

void add(zip_t* archive, const ZipEntry& entry, const std::filesystem::path& path) {
  zip_source_t* const bytes = zip_source_buffer(archive, entry.bytes.data(), entry.bytes.size(), 0);
  const zip_int64_t index = bytes ? zip_file_add(archive, entry.name.c_str(), bytes, ZIP_FL_ENC_UTF_8) : -1;
  if (index < 0) {
    if (bytes) zip_source_free(bytes);
    throw FileError(path, "'" + entry.name + "' can't be added: " + zip_strerror(archive));
  }
  zip_set_file_compression(archive, index, ZIP_CM_STORE, 0);
  zip_file_set_mtime(archive, index, kNoTime, 0);
}

}  // namespace

void write_zip(const std::filesystem::path& path, const std::vector<ZipEntry>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  const Source buffer(zip_source_buffer_create(nullptr, 0, 0, &error), zip_source_free);
  zip_t* archive = buffer ? zip_open_from_source(buffer.get(), ZIP_TRUNCATE, &error) : nullptr;
  zip_error_fini(&error);
  if (!archive) throw FileError(path, "no archive can be made in memory");
  zip_source_keep(buffer.get());  // closing the archive takes its own share of the buffer
  try {
    for (const ZipEntry& entry : entries) add(archive, entry, path);
  } catch (...) {
    zip_discard(archive);
    throw;
  }
  if (zip_close(archive) != 0) {
    const std::string reason = zip_strerror(archive);
    zip_discard(archive);
    throw FileError(path, "can't be packed: " + reason);
  }
  zip_stat_t status;
  if (zip_source_stat(buffer.get(), &status) != 0 || zip_source_open(buffer.get()) != 0)
    throw FileError(path, "can't be packed");
  std::string bytes(status.size, '\0');
  const zip_int64_t read = zip_source_read(buffer.get(), bytes.data(), bytes.size());
  zip_source_close(buffer.get());
  if (read != static_cast<zip_int64_t>(bytes.size())) throw FileError(path, "can't be packed");
  write_file_atomically(path, bytes);
}

}  // namespace onestep::io
