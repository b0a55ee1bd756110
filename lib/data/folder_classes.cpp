// SPDX-License-Identifier: Apache-2.0
#include "data/folder_classes.h"

#include <algorithm>
#include <cctype>
#include <set>

#include <ATen/ops/empty.h>

#include "config/printable.h"

namespace onestep {
namespace {

/// The length of the longest "a/b/" that all names begin with.
size_t shared_folders(const std::vector<std::string>& names) {
  if (names.empty()) return 0;
  size_t length = names[0].rfind('/') + 1;  // of no '/': 0
  for (const std::string& name : names) {
    const auto differs = std::mismatch(names[0].begin(), names[0].begin() + static_cast<ptrdiff_t>(length),
                                       name.begin(), name.end())
                             .first;
    length = static_cast<size_t>(differs - names[0].begin());
    length = length == 0 ? 0 : names[0].rfind('/', length - 1) + 1;
  }
  return length;
}

bool is_numbering(const std::string& folder) {
  return folder.size() == 5 && std::ranges::all_of(folder, [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

std::vector<std::string> top_folders(const std::vector<std::string>& images) {
  const size_t shared = shared_folders(images);
  std::vector<std::string> folders;
  for (const std::string& image : images) {
    const size_t end = image.find('/', shared);
    folders.push_back(end == std::string::npos ? "" : image.substr(shared, end - shared));
  }
  return folders;
}

std::optional<ImageLabels> folder_classes(const std::vector<std::string>& images) {
  const std::vector<std::string> folders = top_folders(images);
  const std::set<std::string> sorted(folders.begin(), folders.end());
  if (sorted.empty() || sorted.contains("") || std::ranges::all_of(sorted, is_numbering)) return {};
  const std::vector<std::string> classes(sorted.begin(), sorted.end());
  const at::Tensor values = at::empty({static_cast<int64_t>(images.size())}, at::kLong);
  for (size_t i = 0; i < folders.size(); ++i)
    values.mutable_data_ptr<int64_t>()[i] = std::ranges::lower_bound(classes, folders[i]) - classes.begin();
  ImageLabels labels{.values = values, .classes = static_cast<int64_t>(classes.size())};
  for (const std::string& name : classes) labels.names.push_back(config::printable(name));
  return labels;
}

}  // namespace onestep
