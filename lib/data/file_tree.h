// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/file.h"

namespace onestep {

/// The files of a folder or of a zip archive, under names that do not depend on which of the two it is.
struct FileTree {
  std::filesystem::path path;
  std::vector<std::string> names;                 ///< below `path`, with '/', in the order of their bytes
  std::shared_ptr<const io::MappedFile> archive;  ///< null for a folder
  std::vector<uint64_t> members;                  ///< where each name stands in the archive's directory

  /// How messages call a file: "archive.zip/folder/name".
  std::filesystem::path origin(size_t i) const;
};

/// All files below a folder. Hidden ones (".x") and what lies in hidden folders are passed over, folders that
/// are symbolic links are not entered, and files that are links stand for what they point to. Throws
/// io::FileError for a folder that cannot be listed.
FileTree folder_tree(const std::filesystem::path& path);

/// All members of an archive but folders and what is hidden. Nothing is ever written, so that names like
/// "../x" do no harm. Throws io::FileError: no archive, damaged, a name twice.
FileTree zip_tree(const std::filesystem::path& path);

/// read(i) gives the bytes of file names[i], at most 256 MiB, or throws io::FileError naming it. Each thread
/// needs a reader of its own; none may outlive the tree.
std::function<std::string(size_t i)> open_reader(const FileTree& tree);

}  // namespace onestep
