// SPDX-License-Identifier: Apache-2.0
#include "io/cache.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/ops/isfinite.h>

#include "io/folder.h"
#include "io/safetensors.h"
#include "io/sha256.h"

namespace onestep::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDescription = "onestep.cache";
constexpr const char* kSuffix = ".safetensors";
constexpr size_t kHashDigits = 64;

/// The file's arrays; none where there is no such file or it is not what it should be.
std::optional<NamedArrays> look_up(const fs::path& path, const std::string& description,
                                   const std::function<bool(const NamedArrays&)>& fits, Checksum checksum,
                                   const std::function<void(const std::string&)>& complain) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) return std::nullopt;
  try {
    const TensorFile file = read_safetensors(path, checksum);
    const auto found = file.metadata.find(kDescription);
    NamedArrays arrays(file.tensors.begin(), file.tensors.end());
    if (found == file.metadata.end() || found->second != description || !fits(arrays))
      throw FileError(path, "is not what the cache wrote");
    fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // lately used
    return arrays;
  } catch (const FileError& problem) {
    if (complain) complain(std::string(problem.what()) + "; it is made anew");
    return std::nullopt;
  }
}

/// Whether the cache made this file: the folder may hold anybody's models. Cheap for all that are named
/// otherwise, and the others' data is not read.
bool is_own(const fs::path& path) {
  const std::string stem = path.stem().string();
  std::error_code error;
  if (path.extension() != kSuffix || stem.size() != kHashDigits ||
      stem.find_first_not_of("0123456789abcdef") != std::string::npos ||
      !fs::is_regular_file(fs::symlink_status(path, error)))
    return false;
  try {
    return read_safetensors_metadata(path).contains(kDescription);
  } catch (const FileError&) {
    return false;
  }
}

/// Removes the cache's files that were used least lately until the rest fits. `kept` stays in any case.
void make_room(const Cache& cache, const fs::path& kept) {
  struct File {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code error;
  for (const fs::path& path : entries_of(cache.folder)) {
    if (!is_own(path)) continue;
    const uint64_t bytes = fs::file_size(path, error);
    if (error) continue;
    total += bytes;
    if (path != kept) files.push_back({fs::last_write_time(path, error), bytes, path});
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (total <= cache.max_bytes) return;
    if (fs::remove(file.path, error)) total -= file.bytes;
  }
}

fs::path path_of(const Cache& cache, const std::string& description) {
  return cache.folder / (sha256(description) + kSuffix);
}

}  // namespace

bool has_array(const NamedArrays& arrays, const std::string& name, at::ScalarType dtype,
               at::IntArrayRef shape) {
  const auto found = arrays.find(name);
  return found != arrays.end() && found->second.scalar_type() == dtype && found->second.sizes() == shape &&
         at::isfinite(found->second).all().item<bool>();
}

Cached cached(const Cache& cache, const std::string& description,
              const std::function<bool(const NamedArrays&)>& fits,
              const std::function<NamedArrays()>& compute,
              const std::function<void(const std::string&)>& complain, Checksum checksum) {
  if (cache.folder.empty()) return {compute(), false};
  const fs::path path = path_of(cache, description);
  if (auto found = look_up(path, description, fits, checksum, complain)) return {std::move(*found), true};
  NamedArrays arrays = compute();
  try {
    make_folders(cache.folder);
    std::error_code error;
    if (fs::is_symlink(path, error)) throw FileError(path, "is a link, which the cache never makes");
    write_safetensors(path, {arrays.begin(), arrays.end()}, {{kDescription, description}});
    make_room(cache, path);
  } catch (const FileError& error) {
    if (complain) complain(error.what());
  }
  return {std::move(arrays), false};
}

void forget(const Cache& cache, const std::string& description) {
  std::error_code error;
  if (!cache.folder.empty()) fs::remove(path_of(cache, description), error);
}

}  // namespace onestep::io
