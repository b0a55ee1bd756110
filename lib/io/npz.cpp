// SPDX-License-Identifier: Apache-2.0
#include "io/npz.h"

#include <memory>

#include <zip.h>

#include "io/file.h"
#include "io/npy.h"
#include "io/zip_writer.h"

namespace onestep::io {
namespace {

constexpr std::string_view kSuffix = ".npy";
// Deflate cannot shrink more than 1032 : 1, so a member that declares more is lying.
constexpr uint64_t kMaxDeflateRatio = 1032;

using Archive = std::unique_ptr<zip_t, void (*)(zip_t*)>;
using Member = std::unique_ptr<zip_file_t, void (*)(zip_file_t*)>;

Archive open_archive(const std::filesystem::path& path, const MappedFile& file) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  if (!archive) {
    const std::string reason = zip_error_strerror(&error);
    if (source) zip_source_free(source);
    zip_error_fini(&error);
    throw FileError(path, "is not an .npz file, or is truncated: " + reason);
  }
  zip_error_fini(&error);
  return {archive, zip_discard};
}

// Reads a member to its end: libzip checks the CRC when nothing is left.
at::Tensor read_member(zip_t* archive, const zip_stat_t& status) {
  const Member member(zip_fopen_index(archive, status.index, 0), [](zip_file_t* file) { zip_fclose(file); });
  if (!member) throw NpyError(std::string("cannot be unpacked: ") + zip_strerror(archive));
  const auto read_some = [&](void* to, uint64_t size) {
    const zip_int64_t count = zip_fread(member.get(), to, size);
    if (count < 0) throw NpyError(std::string("cannot be unpacked: ") + zip_file_strerror(member.get()));
    return static_cast<uint64_t>(count);
  };
  at::Tensor tensor = read_npy(status.size, [&](void* to, size_t size) {
    for (auto* next = static_cast<char*>(to); size > 0;) {
      const uint64_t count = read_some(next, size);
      if (count == 0) throw NpyError("is truncated");
      next += count;
      size -= count;
    }
  });
  char extra = 0;
  if (read_some(&extra, 1) != 0) throw NpyError("is longer than the archive says");
  return tensor;
}

}  // namespace

std::map<std::string, at::Tensor> read_npz(const std::filesystem::path& path,
                                           const std::set<std::string>& wanted, uint64_t max_bytes) {
  const MappedFile file(path);
  const Archive archive = open_archive(path, file);
  std::map<std::string, at::Tensor> arrays;
  uint64_t total = 0;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive.get(), 0));
  for (zip_uint64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive.get(), i, 0, &status) != 0 || (status.valid & kNeeded) != kNeeded)
      throw FileError(path, "has a damaged directory");
    std::string name = status.name;
    const auto refuse = [&](const std::string& what) {
      throw FileError(path, "array '" + name + "' " + what);
    };
    if (!name.ends_with(kSuffix)) refuse("is no .npy member");
    name.resize(name.size() - kSuffix.size());
    if (!wanted.empty() && !wanted.count(name)) continue;
    if (arrays.count(name)) refuse("occurs twice");
    if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE)
      refuse("is packed by another method than deflate");
    if (status.comp_size > file.size() || status.size / kMaxDeflateRatio > status.comp_size)
      refuse("declares a size that its data cannot have");
    if (status.size > max_bytes - total)
      refuse("would bring the file to more than " + std::to_string(max_bytes) + " bytes unpacked");
    total += status.size;
    try {
      arrays.emplace(name, read_member(archive.get(), status));
    } catch (const NpyError& error) {
      refuse(error.what());
    } catch (const c10::Error&) {
      refuse("does not fit into memory");
    }
  }
  for (const std::string& name : wanted)
    if (!arrays.count(name)) throw FileError(path, "has no array '" + name + "'");
  if (arrays.empty()) throw FileError(path, "holds no arrays");
  return arrays;
}

void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, at::Tensor>>& arrays) {
  std::vector<ZipEntry> entries;
  for (const auto& [name, tensor] : arrays)
    entries.push_back({std::string(name).append(kSuffix), npy_bytes(tensor)});
  write_zip(path, entries);
}

}  // namespace onestep::io
