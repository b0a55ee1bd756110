// SPDX-License-Identifier: Apache-2.0
#include "evaluation/cache.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "io/safetensors.h"
#include "io/sha256.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDescription = "onestep.cache";
constexpr const char* kSuffix = ".safetensors";

/// The file's arrays; none where there is no such file or it is not what it should be.
std::optional<NamedArrays> look_up(const fs::path& path, const std::string& description) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  try {
    const io::TensorFile file = io::read_safetensors(path);
    const auto found = file.metadata.find(kDescription);
    if (found == file.metadata.end() || found->second != description) return std::nullopt;
    fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // lately used
    return NamedArrays(file.tensors.begin(), file.tensors.end());
  } catch (const io::FileError&) {
    return std::nullopt;
  }
}

/// Removes the files that were used least lately until the rest fits. `kept` stays in any case.
void make_room(const Cache& cache, const fs::path& kept) {
  struct File {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cache.folder, error)) {
    if (entry.path().extension() != kSuffix) continue;
    const uint64_t bytes = entry.file_size(error);
    if (error) continue;
    total += bytes;
    if (entry.path() != kept) files.push_back({entry.last_write_time(error), bytes, entry.path()});
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (total <= cache.max_bytes) return;
    if (fs::remove(file.path, error)) total -= file.bytes;
  }
}

}  // namespace

Cached cached(const Cache& cache, const std::string& description, const std::function<NamedArrays()>& compute,
              const std::function<void(const std::string&)>& complain) {
  if (cache.folder.empty()) return {compute(), false};
  const fs::path path = cache.folder / (io::sha256(description) + kSuffix);
  if (std::optional<NamedArrays> found = look_up(path, description)) return {std::move(*found), true};
  NamedArrays arrays = compute();
  try {
    std::error_code error;  // whatever it is, writing the file will say so
    fs::create_directories(cache.folder, error);
    io::write_safetensors(path, {arrays.begin(), arrays.end()}, {{kDescription, description}});
    make_room(cache, path);
  } catch (const io::FileError& error) {
    if (complain) complain(error.what());
  }
  return {std::move(arrays), false};
}

}  // namespace onestep
