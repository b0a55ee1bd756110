// SPDX-License-Identifier: Apache-2.0
#include "data/file_tree.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <sys/stat.h>

#include "io/sha256.h"
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

/// What onestep-train makes, whose sheets of samples are no data.
bool is_run_folder(const fs::path& path) {
  std::error_code none;
  return fs::exists(path / "config.yaml", none) &&
         (fs::exists(path / "log.jsonl", none) || fs::exists(path / "checkpoints", none));
}

}  // namespace

fs::path FileTree::origin(size_t i) const {
  return path / fs::path(names[i]).relative_path();  // an absolute name would replace the path
}

FileTree folder_tree(const fs::path& path) {
  FileTree tree;
  tree.path = path;
  std::error_code error;
  fs::path place = path;  // where the walk is: an iterator that has failed cannot tell
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    place = it->path();
    std::error_code nowhere;  // a link that leads nowhere is listed; reading it will say so
    const std::string name = place.lexically_relative(path).generic_string();
    if (is_hidden(place.filename().string())) {
      ++tree.hidden;
      it.disable_recursion_pending();
    } else if (!it->is_directory(nowhere)) {
      tree.names.push_back(name);
    } else if (it->is_symlink(nowhere)) {
      tree.not_entered.push_back("linked folder " + name);
    } else if (is_run_folder(place)) {
      tree.not_entered.push_back("run folder " + name);
      it.disable_recursion_pending();
    }
  }
  if (error) throw io::FileError(place, "cannot be listed: " + error.message());
  std::ranges::sort(tree.names);
  std::ranges::sort(tree.not_entered);
  return tree;
}

FileTree zip_tree(const fs::path& path) {
  auto file = std::make_shared<const io::MappedFile>(path);
  std::vector<io::ZipMember> members = io::ZipReader(path, *file, kArchive).members();
  std::erase_if(members, [](const io::ZipMember& member) { return member.name.ends_with('/'); });
  const auto hidden =
      std::erase_if(members, [](const io::ZipMember& member) { return has_hidden_part(member.name); });
  std::ranges::sort(members, {}, &io::ZipMember::name);
  const auto twice = std::ranges::adjacent_find(members, {}, &io::ZipMember::name);
  if (twice != members.end()) throw io::FileError(path, "holds '" + twice->name + "' twice");
  FileTree tree;
  tree.path = path;
  tree.archive = std::move(file);
  tree.hidden = static_cast<int64_t>(hidden);
  for (io::ZipMember& member : members) {
    tree.names.push_back(member.name);
    tree.members.push_back(std::move(member));
  }
  return tree;
}

std::function<std::string(size_t)> open_reader(const FileTree& tree, uint64_t most) {
  if (!tree.archive)
    return [&tree, most](size_t i) {
      return most < kMaxBytes ? io::read_head(tree.origin(i), most)
                              : io::read_file(tree.origin(i), kMaxBytes);
    };
  const auto archive = std::make_shared<const io::ZipReader>(tree.path, *tree.archive, kArchive);
  return [&tree, archive, most](size_t i) {
    try {
      if (most >= kMaxBytes) return archive->read(tree.members[i].index, kMaxBytes);
      io::ZipStream stream = archive->open(tree.members[i].index);
      std::string head(std::min(most, stream.size()), '\0');
      stream.read(head.data(), head.size());
      return head;
    } catch (const io::ZipError& error) {
      throw io::FileError(tree.origin(i), error.what());
    }
  };
}

std::string identity(const FileTree& tree) {
  std::ostringstream listing;
  listing << tree.hidden << '\0';
  for (const std::string& folder : tree.not_entered) listing << folder << '\0';
  const auto time = [](const timespec& t) {
    return std::to_string(t.tv_sec) + "." + std::to_string(t.tv_nsec);
  };
  for (size_t i = 0; i < tree.names.size(); ++i) {
    listing << tree.names[i] << '\0';
    if (tree.archive) {
      listing << tree.members[i].size << ' ' << tree.members[i].crc << '\n';
    } else {
      struct stat status {};
      if (::stat(tree.origin(i).c_str(), &status) != 0) continue;  // whoever reads it will say so
      listing << status.st_size << ' ' << time(status.st_mtim) << ' ' << time(status.st_ctim) << '\n';
    }
  }
  return io::sha256(listing.str());
}

}  // namespace onestep
