// SPDX-License-Identifier: Apache-2.0
#include "data/file_tree.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "io/zip_reader.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = uint64_t{1} << 28;
constexpr const char* kArchive = "a zip archive";

/// ".x", but not the "." and ".." that an archive's names may hold.
bool is_hidden(std::string_view part) {
  return part.starts_with('.') && part != "." && part != "..";
}

bool has_hidden_part(const std::string& name) {
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '/');)
    if (is_hidden(part)) return true;
  return false;
}

}  // namespace

fs::path FileTree::origin(size_t i) const {
  return path / fs::path(names[i]).relative_path();  // an absolute name would replace the path
}

FileTree folder_tree(const fs::path& path) {
  FileTree tree{.path = path, .names = {}, .archive = nullptr, .members = {}};
  std::error_code error;
  fs::path place = path;  // where the walk is: an iterator that has failed cannot tell
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    place = it->path();
    std::error_code nowhere;  // a link that leads nowhere is listed; reading it will say so
    if (is_hidden(place.filename().string())) {
      it.disable_recursion_pending();
    } else if (!it->is_directory(nowhere)) {
      tree.names.push_back(place.lexically_relative(path).generic_string());
    }
  }
  if (error) throw io::FileError(place, "cannot be listed: " + error.message());
  std::sort(tree.names.begin(), tree.names.end());
  return tree;
}

FileTree zip_tree(const fs::path& path) {
  auto file = std::make_shared<const io::MappedFile>(path);
  std::vector<io::ZipMember> members = io::ZipReader(path, *file, kArchive).members();
  std::erase_if(members, [](const io::ZipMember& member) {
    return member.name.ends_with('/') || has_hidden_part(member.name);
  });
  std::ranges::sort(members, {}, &io::ZipMember::name);
  const auto twice = std::ranges::adjacent_find(members, {}, &io::ZipMember::name);
  if (twice != members.end()) throw io::FileError(path, "holds '" + twice->name + "' twice");
  FileTree tree{.path = path, .names = {}, .archive = std::move(file), .members = {}};
  for (io::ZipMember& member : members) {
    tree.names.push_back(std::move(member.name));
    tree.members.push_back(member.index);
  }
  return tree;
}

std::function<std::string(size_t)> open_reader(const FileTree& tree) {
  if (!tree.archive) return [&tree](size_t i) { return io::read_file(tree.origin(i), kMaxBytes); };
  const auto archive = std::make_shared<const io::ZipReader>(tree.path, *tree.archive, kArchive);
  return [&tree, archive](size_t i) {
    try {
      return archive->read(tree.members[i], kMaxBytes);
    } catch (const io::ZipError& error) {
      throw io::FileError(tree.origin(i), error.what());
    }
  };
}

}  // namespace onestep
