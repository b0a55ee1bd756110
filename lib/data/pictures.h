// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "config/check.h"
#include "data/image_files.h"

namespace onestep {

/// Fashion-MNIST (Xiao et al. 2017): 60000 training and 10000 test images, grey, 28 x 28, ten classes.
struct FashionMnistConfig {
  static constexpr const char* kind = "fashion_mnist";
  std::string root = "/usr/share/datasets/fashion-mnist";
  std::string split = "train";
  std::optional<int64_t> limit;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("root", c.root, "folder of the four idx files (Debian's package dataset-fashion-mnist)",
          config::path, config::Role::place);
    visit("split", c.split, "which of the two sets", config::one_of({"train", "test"}));
    visit("limit", c.limit, "use the first so many images only", config::at_least(1));
  }
};

/// Any labelled images in two idx files: MNIST and its relatives, or a set of one's own.
struct IdxConfig {
  static constexpr const char* kind = "idx";
  std::string images;
  std::string labels;
  int64_t classes = 10;
  std::optional<int64_t> limit;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("images", c.images, "idx file of bytes [N, H, W], gzip or plain", config::path_or_none,
          config::Role::place);
    visit("labels", c.labels, "idx file of bytes [N], gzip or plain; empty: no classes", config::path_or_none,
          config::Role::place);
    visit("classes", c.classes, "number of classes; labels are smaller", config::between(1, 256));
    visit("limit", c.limit, "use the first so many images only", config::at_least(1));
  }
};

/// Sets of pictures.
using PicturesConfig = std::variant<FashionMnistConfig, IdxConfig, ImageFilesConfig>;

}  // namespace onestep
