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
#include "io/zip_reader.h"

namespace onestep {

/// The files of a folder or of a zip archive, under names that do not depend on which of the two it is.
struct FileTree {
  std::filesystem::path path;
  std::vector<std::string> names;                 ///< below `path`, with '/', in the order of their bytes
  std::shared_ptr<const io::MappedFile> archive;  ///< null for a folder
  std::vector<io::ZipMember> members;             ///< of an archive, in the order of `names`

  /// What is there and not among the names, in words for a list: "linked folder dogs", "run folder a".
  std::vector<std::string> not_entered;
  int64_t hidden = 0;  ///< files and folders whose name begins with a dot

  /// How messages call a file: "archive.zip/folder/name".
  std::filesystem::path origin(size_t i) const;
};

/// All files below a folder. Hidden ones (".x") and what lies in hidden folders are passed over; folders that
/// are symbolic links and those of our own runs (with a config.yaml beside a log or checkpoints) are not
/// entered; files that are links stand for what they point to. Throws
/// io::FileError for a folder that cannot be listed.
FileTree folder_tree(const std::filesystem::path& path);

/// All members of an archive but folders and what is hidden. Nothing is ever written, so that names like
/// "../x" do no harm. Throws io::FileError: no archive, damaged, a name twice.
FileTree zip_tree(const std::filesystem::path& path);

/// read(i) gives the first `most` bytes of file names[i], or throws io::FileError naming it: also where it
/// has more than 256 MiB. Each thread needs a reader of its own; none may outlive the tree.
std::function<std::string(size_t i)> open_reader(const FileTree& tree, uint64_t most = UINT64_MAX);

/// Which files these are, without reading them and wherever the tree lies: SHA-256 of their names with, of an
/// archive, the size and CRC-32 that its directory gives, and of a folder, the size and the times of the last
/// change of content and of status in nanoseconds (the latter is the kernel's: nothing sets it back). A copy
/// of a folder is thus another tree, a moved or renamed one is the same. Throws io::FileError.
std::string identity(const FileTree& tree);

}  // namespace onestep
