// SPDX-License-Identifier: Apache-2.0
#include "data/passed_over.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "data/folder_classes.h"
#include "io/file_kind.h"

namespace onestep {
namespace {

constexpr size_t kMostNamed = 4;

/// Image formats that are no PNG or JPEG, or JPEG under another suffix; CIFAR's batches, archives.
const std::set<std::string> kOtherImages{".webp", ".bmp",  ".tif",  ".tiff", ".gif", ".jfif",
                                         ".jpe",  ".avif", ".heic", ".ppm",  ".pgm", ".jp2",
                                         ".jxl",  ".bin",  ".gz",   ".tar",  ".tgz"};

/// The first few names, each behind `what`, and how many more there are.
void list(std::vector<std::string>& parts, const std::string& what, const std::vector<std::string>& names) {
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) parts.push_back(what + names[i]);
  if (names.size() > kMostNamed) parts.push_back(std::to_string(names.size() - kMostNamed) + " more such");
}

}  // namespace

void PassedOver::add(const std::string& name) {
  const std::filesystem::path path(name);
  if (path.filename() == "dataset.json") {
    label_files.push_back(name);
    return;
  }
  ++suffixes[io::suffix_of(path)];
}

std::string PassedOver::text() const {
  std::vector<std::string> parts;
  int64_t files = hidden;
  bool other_images = false;
  for (const auto& [suffix, count] : suffixes) {
    parts.push_back(std::to_string(count) + " " + (suffix.empty() ? "without suffix" : suffix));
    files += count;
    other_images = other_images || kOtherImages.contains(suffix);
  }
  if (hidden > 0) parts.push_back(std::to_string(hidden) + " hidden");
  list(parts, "sheet ", sheets);
  list(parts, "", label_files);
  list(parts, "", folders);
  files += static_cast<int64_t>(sheets.size() + label_files.size());
  if (parts.empty()) return "";
  std::string text = std::to_string(files) + (files == 1 ? " file" : " files");
  if (!folders.empty())
    text = (files > 0 ? text + " and " : "") + std::to_string(folders.size()) +
           (folders.size() == 1 ? " folder" : " folders");
  text += " passed over (";
  for (size_t i = 0; i < parts.size(); ++i) text += (i > 0 ? ", " : "") + parts[i];
  text += ")";
  if (other_images || suffixes.contains(""))
    text += "; images are .png, .jpg or .jpeg: rename others, or convert them first: onestep-data IN OUT.zip";
  if (!label_files.empty()) text += "; labels are read from dataset.json at the top alone: join them there";
  if (std::ranges::any_of(folders, [](const std::string& f) { return f.starts_with("linked"); }))
    text += "; links to folders are not followed: copy or bind-mount them";
  return text;
}

std::string with_hint_on_classes(const std::string& text, const std::vector<std::string>& images) {
  const std::vector<std::string> folders = top_folders(images);
  const auto beside = std::ranges::find(folders, "");
  const auto inside =
      std::ranges::find_if(folders, [](const std::string& folder) { return !folder.empty(); });
  if (beside == folders.end() || inside == folders.end()) return text;
  return text + (text.empty() ? "" : "; ") + "folders are not taken for classes, because '" +
         images[static_cast<size_t>(beside - folders.begin())] + "' lies beside '" + *inside +
         "': move it into one, or write a dataset.json";
}

}  // namespace onestep
