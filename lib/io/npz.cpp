// SPDX-License-Identifier: Apache-2.0
#include "io/npz.h"

#include <optional>
#include <string_view>

#include "io/file.h"
#include "io/npy.h"
#include "io/zip_reader.h"
#include "io/zip_writer.h"

namespace onestep::io {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr const char* kKind = "an .npz file";

/// The array's name, or nothing for a member that is none.
std::optional<std::string> array_name(const std::string& member) {
  if (!member.ends_with(kSuffix)) return {};
  return member.substr(0, member.size() - kSuffix.size());
}

at::Tensor read_array(const ZipReader& archive, const ZipMember& member) {
  ZipStream stream = archive.open(member.index);
  at::Tensor array = read_npy(stream.size(), [&](void* to, size_t size) { stream.read(to, size); });
  stream.finish();
  return array;
}

}  // namespace

std::map<std::string, at::Tensor> read_npz(const std::filesystem::path& path,
                                           const std::set<std::string>& wanted, uint64_t max_bytes) {
  const MappedFile file(path);
  const ZipReader archive(path, file, kKind);
  std::map<std::string, at::Tensor> arrays;
  uint64_t total = 0;
  for (const ZipMember& member : archive.members()) {
    const std::optional<std::string> array = array_name(member.name);
    const std::string name = array.value_or(member.name);
    const auto refuse = [&](const std::string& what) {
      throw FileError(path, "array '" + name + "' " + what);
    };
    if (!array) refuse("is no .npy member");
    if (!wanted.empty() && !wanted.count(name)) continue;
    if (arrays.count(name)) refuse("occurs twice");
    if (member.size > max_bytes - total)
      refuse("would bring the file to more than " + std::to_string(max_bytes) + " bytes unpacked");
    total += member.size;
    try {
      arrays.emplace(name, read_array(archive, member));
    } catch (const NpyError& error) {
      refuse(error.what());
    } catch (const ZipError& error) {
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

std::set<std::string> npz_names(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::set<std::string> names;
  for (const ZipMember& member : ZipReader(path, file, kKind).members())
    if (const auto name = array_name(member.name)) names.insert(*name);
  return names;
}

void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, at::Tensor>>& arrays) {
  std::vector<ZipEntry> entries;
  for (const auto& [name, tensor] : arrays)
    entries.push_back({std::string(name).append(kSuffix), npy_bytes(tensor)});
  write_zip(path, entries);
}

}  // namespace onestep::io
