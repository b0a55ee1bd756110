// SPDX-License-Identifier: Apache-2.0
#include "data/image_files.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <exception>
#include <mutex>
#include <unistd.h>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/StringUtil.h>

#include "data/file_tree.h"
#include "io/image.h"
#include "io/npz.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLabelFile = "dataset.json";
constexpr const char* kImages = "arr_0";
constexpr const char* kLabels = "arr_1";

bool is_image(const std::string& name) {
  std::string suffix = fs::path(name).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

std::string describe(const at::Tensor& image) {
  return c10::str(image.size(2), " × ", image.size(1), image.size(0) == 1 ? " grey" : " RGB");
}

/// Throws unless `count` images like the first, of `bytes` bytes, may be taken.
void require_room(const fs::path& path, int64_t count, uint64_t bytes, uint64_t max_bytes) {
  if (bytes > max_bytes / static_cast<uint64_t>(count))
    throw io::FileError(
        path, c10::str("holds ", count, " images of ", bytes, " bytes each; there is room for ", max_bytes,
                       " bytes (limit takes fewer images)"));
}

/// Calls each(read, i) for all i in [0, count), `read` being a reader of the thread's own. Throws what the
/// lowest i threw, whatever the number of threads.
template <class Each>
void for_each_file(const FileTree& tree, int64_t count, const Each& each) {
  std::mutex mutex;
  std::atomic<int64_t> failed = count;
  std::exception_ptr failure;
  at::parallel_for(0, count, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    try {
      const auto read = open_reader(tree);
      for (; i < end && i < failed; ++i) each(read, i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (i < failed) {
        failed = i;
        failure = std::current_exception();
      }
    }
  });
  if (failure) std::rethrow_exception(failure);
}

/// The images names[chosen[0]], names[chosen[1]], … of a tree: uint8 [N, C, H, W].
at::Tensor decode(const FileTree& tree, const std::vector<size_t>& chosen, uint64_t max_bytes) {
  const auto count = static_cast<int64_t>(chosen.size());
  const at::Tensor first = io::decode_image(open_reader(tree)(chosen[0]), tree.origin(chosen[0]));
  require_room(tree.path, count, first.nbytes(), max_bytes);
  const at::Tensor images = at::empty({count, first.size(0), first.size(1), first.size(2)}, at::kByte);
  for_each_file(tree, count, [&](const auto& read, int64_t i) {
    const size_t file = chosen[static_cast<size_t>(i)];
    const at::Tensor image = io::decode_image(read(file), tree.origin(file));
    if (image.sizes() != first.sizes())
      throw io::FileError(tree.origin(file), "is " + describe(image) + ", but the first image, '" +
                                                 tree.names[chosen[0]] + "', is " + describe(first));
    images[i].copy_(image);
  });
  return images;
}

ImageFiles read_tree(const FileTree& tree, const ImageFilesConfig& config, uint64_t max_bytes) {
  std::vector<size_t> chosen;
  std::vector<std::string> names;
  for (size_t i = 0; i < tree.names.size(); ++i)
    if (is_image(tree.names[i])) {
      chosen.push_back(i);
      names.push_back(tree.names[i]);
    }
  if (chosen.empty()) throw io::FileError(tree.path, "holds no images (.png, .jpg or .jpeg)");
  ImageFiles files;
  const auto json = std::lower_bound(tree.names.begin(), tree.names.end(), kLabelFile);
  if (config.labels && json != tree.names.end() && *json == kLabelFile) {
    const auto place = static_cast<size_t>(json - tree.names.begin());
    files.labels = parse_labels(open_reader(tree)(place), tree.origin(place), names);
  }
  if (config.limit && static_cast<size_t>(*config.limit) < chosen.size())
    chosen.resize(static_cast<size_t>(*config.limit));
  files.images = decode(tree, chosen, max_bytes);
  return files;
}

/// [N, H, W, C] as [N, C, H, W] in the same memory, one image at a time.
at::Tensor channels_first(const at::Tensor& images) {
  const at::Tensor turned = images.view({images.size(0), images.size(3), images.size(1), images.size(2)});
  at::parallel_for(0, images.size(0), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) turned[i].copy_(images[i].permute({2, 0, 1}).clone());
  });
  return turned;
}

ImageFiles read_arrays(const fs::path& path, const ImageFilesConfig& config, uint64_t max_bytes) {
  std::set<std::string> wanted{kImages};
  if (config.labels && io::npz_names(path).contains(kLabels)) wanted.insert(kLabels);
  const auto arrays = io::read_npz(path, wanted, max_bytes);
  at::Tensor images = arrays.at(kImages);
  const auto refuse = [&](const std::string& what) {
    throw io::FileError(path, std::string("array '") + kImages + "' " + what);
  };
  const bool shaped =
      images.dim() == 3 || (images.dim() == 4 && (images.size(3) == 1 || images.size(3) == 3));
  if (images.scalar_type() != at::kByte || !shaped)
    refuse(c10::str("must be uint8 [N, H, W, C], C = 1 or 3, or [N, H, W], got ", images.scalar_type(), " ",
                    images.sizes()));
  // One image [H, W, C], and [N, C, H, W] with few columns, have such a shape, too.
  const int64_t second = images.size(1), last = images.size(images.dim() - 1);
  const bool ambiguous =
      images.dim() == 3 ? last == 1 || last == 3 : (second == 1 || second == 3) && images.size(2) > 3;
  if (ambiguous)
    refuse(
        c10::str("may be meant in several ways, ", images.sizes(),
                 ": write [N, H, W, C] with more than 3 rows, and more than 3 columns where there is no C"));
  if (images.numel() == 0) refuse(c10::str("holds no pixels: ", images.sizes()));
  ImageFiles files;
  if (wanted.contains(kLabels))
    files.labels =
        checked_labels(arrays.at(kLabels), images.size(0), path, c10::str("array '", kLabels, "'"));
  if (config.limit && *config.limit < images.size(0)) images = images.narrow(0, 0, *config.limit).clone();
  files.images = channels_first(images.dim() == 3 ? images.unsqueeze(3) : images);
  return files;
}

}  // namespace

ImageFiles read_image_files(const ImageFilesConfig& config, uint64_t max_bytes) {
  const fs::path path = config.path;
  std::error_code missing;
  ImageFiles files;
  if (fs::is_directory(path, missing)) {
    files = read_tree(folder_tree(path), config, max_bytes);
  } else if (path.extension() == ".zip") {
    files = read_tree(zip_tree(path), config, max_bytes);
  } else if (path.extension() == ".npz") {
    files = read_arrays(path, config, max_bytes);
  } else {
    throw io::FileError(path, missing ? missing.message() : "is no folder, .zip or .npz of images");
  }
  if (files.labels) files.labels->values = files.labels->values.narrow(0, 0, files.images.size(0)).clone();
  return files;
}

ImageFiles read_image_files(const ImageFilesConfig& config) {
  const auto pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
  return read_image_files(config, pages * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE)));
}

}  // namespace onestep
