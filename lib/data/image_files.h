// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "data/channel_statistics.h"
#include "data/image_labels.h"
#include "io/cache.h"

namespace onestep {

/// Images of one's own: PNG or JPEG files in a folder or a zip archive (as EDM's dataset tool writes them),
/// or an array in an .npz file (as ADM's sampling scripts write it).
struct ImageFilesConfig {
  static constexpr const char* kind = "images";
  std::string path;
  bool labels = true;
  std::optional<int64_t> limit;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("path", c.path,
          "folder (with what lies below it) or .zip of 8-bit PNG or JPEG images, grey or RGB, all of one "
          "size; or .npz with arr_0, uint8 [N, H, W, C] or [N, H, W]; onestep-data makes a .zip of others",
          config::path, config::Role::place);
    visit(
        "labels", c.labels,
        "read classes where there are any: dataset.json, else a class for each folder at the top (not those "
        "named by five digits); arr_1 of an .npz");
    visit("limit", c.limit, "use the first so many images only", config::at_least(1));
  }
};

/// What takes a pass over all pixels, kept with packed images.
struct PackedFacts {
  std::string sha256;  ///< content_hash.h
  ChannelStatistics statistics;
};

struct ImageFiles {
  at::Tensor images;                  ///< uint8 [N, C, H, W], C = 1 or 3, in the order of the files' names
  std::optional<ImageLabels> labels;  ///< classes are counted before `limit` takes images away
  std::string passed_over;            ///< "10 files passed over (2 .webp, linked folder dogs)"; "": none
  std::optional<PackedFacts> facts;   ///< where there is a cache
};

/// Reads it all, with as many threads as ATen has. Files are ordered by the bytes of their names below the
/// path, with '/'. Files whose suffix is not .png, .jpg or .jpeg (in any case), and hidden ones, are passed
/// over. Throws io::FileError: none left, one that is no whole 8-bit grey or RGB image, one of another shape
/// than the first (with both), wrong arrays or labels, or more than `max_bytes` of pixels, before they are
/// taken. Of several bad files the first is named.
ImageFiles read_image_files(const ImageFilesConfig& config, uint64_t max_bytes, const io::Cache& cache = {});
/// At most as much as the machine has memory. Of a folder or an archive what was decoded is kept in `cache`.
ImageFiles read_image_files(const ImageFilesConfig& config, const io::Cache& cache = {});

}  // namespace onestep
