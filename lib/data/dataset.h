// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "data/channel_statistics.h"
#include "data/image_files.h"
#include "data/latents.h"
#include "data/mixture.h"

namespace onestep {

/// A set of images, or of points, whole in memory, with a class each where classes are known.
struct Dataset {
  std::string name;
  at::Tensor images;                      ///< [N, C, H, W], contiguous, CPU: uint8, or float32 as it is
  at::Tensor labels;                      ///< int64 [N], each in [0, K); zeros where K = 0: no classes known
  std::vector<std::string> class_names;   ///< K names, in the order of the labels
  std::optional<MixtureDensity> density;  ///< where it is known: what the set was drawn from
  std::string passed_over;                ///< files of its folder or archive that are not in it; "": none
  std::optional<PackedFacts> content;     ///< of images and labels as they were read, where it is known
};

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

using DatasetConfig =
    std::variant<FashionMnistConfig, IdxConfig, MixtureConfig, ImageFilesConfig, LatentsConfig>;

/// Points have no picture and no features, nor have latents that nothing decodes.
inline bool is_points(const DatasetConfig& data) {
  return std::holds_alternative<MixtureConfig>(data) || std::holds_alternative<LatentsConfig>(data);
}

/// Reads the whole set, or draws it: the points of a gaussian_mixture are [N, D, 1, 1], their labels the
/// components; images of one's own have classes where something says so; latents are [N, C, h, w] float32.
/// Throws io::FileError, naming the file, when one is missing (and says what to install), damaged, of a wrong
/// size, or holds a label that is no class. Images that must be decoded are kept in `cache`
/// (packed_images.h).
Dataset load_dataset(const DatasetConfig& config, const io::Cache& cache = {});

/// The number of images of each class.
std::vector<int64_t> class_counts(const Dataset& data);

/// "classes 0, 3 have no image", or "" where every class has one.
std::string empty_classes(const std::vector<int64_t>& counts);

/// channel_statistics of the set's images, or what the set knows of them, the number of images of each class.
ChannelStatistics statistics_of(const Dataset& data);

/// Images as networks see them: uint8 of any shape to float32 x / 127.5 - 1, in [-1, 1]; floating types stay
/// as they are.
at::Tensor to_float(const at::Tensor& images);

}  // namespace onestep
