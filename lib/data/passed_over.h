// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onestep {

/// What lies in a folder or an archive of images and is not taken.
struct PassedOver {
  std::map<std::string, int64_t> suffixes;  ///< files by suffix, ".webp"; "" counts those without
  int64_t hidden = 0;                       ///< names that begin with a dot
  std::vector<std::string> folders;         ///< FileTree::not_entered
  std::vector<std::string> sheets;          ///< of our own commands
  std::vector<std::string> label_files;     ///< dataset.json anywhere but at the top

  /// A file that is no image.
  void add(const std::string& name);
  /// "10 files passed over (6 .webp, 2 without suffix, 1 hidden, sheet grid.png, linked folder dogs): cure",
  /// or "".
  std::string text() const;
};

/// `text`, and why folders are not taken for classes where an image lies beside them.
std::string with_hint_on_classes(const std::string& text, const std::vector<std::string>& images);

}  // namespace onestep
