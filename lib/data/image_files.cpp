// SPDX-License-Identifier: Apache-2.0
#include "data/image_files.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <mutex>
#include <set>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/StringUtil.h>

#include "config/suggest.h"
#include "data/file_tree.h"
#include "data/folder_classes.h"
#include "data/packed_images.h"
#include "data/passed_over.h"
#include "io/file.h"
#include "io/file_kind.h"
#include "io/folder.h"
#include "io/image.h"
#include "io/memory.h"
#include "io/npz.h"
#include "io/png_text.h"
#include "io/system_error.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLabelFile = "dataset.json";
constexpr const char* kSamplesFile = "samples.json";  // what onestep-sample writes beside its images
constexpr const char* kImages = "arr_0";
constexpr const char* kLabels = "arr_1";

std::string describe(const at::Tensor& image) {
  return c10::str(image.size(2), " × ", image.size(1), image.size(0) == 1 ? " grey" : " RGB");
}

/// The way out for images of a folder that differ.
std::string unlike_images(const at::Tensor& image, const at::Tensor& first) {
  const bool sizes = image.sizes().slice(1) != first.sizes().slice(1);
  return std::string(io::kConvertFirst) + (sizes ? " --size N --crop center" : "");
}

/// Throws unless `count` images like the first, of `bytes` bytes, may be taken.
void require_room(const fs::path& path, int64_t count, uint64_t bytes, uint64_t max_bytes) {
  if (bytes > max_bytes / static_cast<uint64_t>(count))
    throw io::FileError(
        path, c10::str("holds ", count, " images of ", bytes, " bytes each; there is room for ", max_bytes,
                       " bytes (limit takes fewer images)"));
}

/// Calls each(read, i) for all i in [0, count), `read` being a reader of the thread's own of `most` bytes a
/// file. Throws what the lowest i threw, whatever the number of threads.
template <class Each>
void for_each_file(const FileTree& tree, int64_t count, const Each& each, uint64_t most = UINT64_MAX) {
  std::mutex mutex;
  std::atomic<int64_t> failed = count;
  std::exception_ptr failure;
  at::parallel_for(0, count, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    try {
      const auto read = open_reader(tree, most);
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
                                                 tree.names[chosen[0]] + "', is " + describe(first) +
                                                 unlike_images(image, first));
    images[i].copy_(image);
  });
  return images;
}

/// `limit` took images away; the classes stay.
void keep_labels_of_images(ImageFiles& files) {
  if (files.labels) files.labels->values = files.labels->values.narrow(0, 0, files.images.size(0)).clone();
}

/// Which of the files `candidates` are sheets of samples that our own commands made.
std::vector<bool> find_sheets(const FileTree& tree, const std::vector<size_t>& candidates) {
  constexpr uint64_t kHead = uint64_t{1} << 16;  // the text stands before the pixels
  std::vector<char> sheet(candidates.size());
  for_each_file(
      tree, static_cast<int64_t>(candidates.size()),
      [&](const auto& read, int64_t i) {
        const size_t file = candidates[static_cast<size_t>(i)];
        if (io::suffix_of(tree.names[file]) == ".png")
          sheet[static_cast<size_t>(i)] = io::is_sheet(read(file));
      },
      kHead);
  return {sheet.begin(), sheet.end()};
}

ImageFiles read_tree(const FileTree& tree, const ImageFilesConfig& config, uint64_t max_bytes) {
  PassedOver passed_over{.hidden = tree.hidden, .folders = tree.not_entered};
  std::vector<size_t> candidates, chosen;
  std::vector<std::string> names;
  for (size_t i = 0; i < tree.names.size(); ++i) {
    const std::string& name = tree.names[i];
    if (io::has_image_suffix(name))
      candidates.push_back(i);
    else if (name != kLabelFile && name != kSamplesFile)
      passed_over.add(name);
  }
  const std::vector<bool> sheets = find_sheets(tree, candidates);
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (sheets[i]) {
      passed_over.sheets.push_back(tree.names[candidates[i]]);
    } else {
      chosen.push_back(candidates[i]);
      names.push_back(tree.names[candidates[i]]);
    }
  }
  ImageFiles files;
  files.passed_over = passed_over.text();
  if (chosen.empty())
    throw io::FileError(tree.path, "holds no images (.png, .jpg or .jpeg)" +
                                       (files.passed_over.empty() ? "" : ": " + files.passed_over));
  const auto json = std::lower_bound(tree.names.begin(), tree.names.end(), kLabelFile);
  if (config.labels && json != tree.names.end() && *json == kLabelFile) {
    const auto place = static_cast<size_t>(json - tree.names.begin());
    files.labels = parse_labels(open_reader(tree)(place), tree.origin(place), names);
  } else if (config.labels) {
    files.labels = folder_classes(names);
    files.passed_over = with_hint_on_classes(files.passed_over, names);
  }
  if (config.limit && static_cast<size_t>(*config.limit) < chosen.size())
    chosen.resize(static_cast<size_t>(*config.limit));
  files.images = decode(tree, chosen, max_bytes);
  keep_labels_of_images(files);
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
  std::set<std::string> wanted{kImages}, others = io::npz_names(path);
  if (!others.contains(kImages))
    throw io::FileError(path, "holds arrays " + config::join({others.begin(), others.end()}, ", ") +
                                  "; images are read from " + kImages);
  if (config.labels && others.contains(kLabels)) wanted.insert(kLabels);
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
  keep_labels_of_images(files);
  others.erase(kImages), others.erase(kLabels);
  if (!others.empty())
    files.passed_over = "arrays passed over: " + config::join({others.begin(), others.end()}, ", ");
  return files;
}

}  // namespace

ImageFiles read_image_files(const ImageFilesConfig& config, uint64_t max_bytes, const io::Cache& cache) {
  const fs::path path = config.path;
  std::error_code missing;
  ImageFiles files;
  const auto through_cache = [&](const FileTree& tree) {
    return packed_images(cache, tree, config, [&] { return read_tree(tree, config, max_bytes); });
  };
  if (fs::is_directory(path, missing)) {
    files = through_cache(folder_tree(path));
  } else if (io::suffix_of(path) == ".zip") {
    files = through_cache(zip_tree(path));
  } else if (io::suffix_of(path) == ".npz") {
    files = read_arrays(path, config, max_bytes);
  } else {
    if (!io::path_exists(path)) throw io::SystemError(path, "", ENOENT);
    throw io::FileError(
        path, "is no folder, .zip or .npz of images" + io::instead_of_images(io::read_head(path, 512)));
  }
  return files;
}

ImageFiles read_image_files(const ImageFilesConfig& config, const io::Cache& cache) {
  return read_image_files(config, io::available_memory(), cache);
}

}  // namespace onestep
