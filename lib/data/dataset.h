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
#include "data/encoded.h"
#include "data/latents.h"
#include "data/mixture.h"
#include "data/pictures.h"

namespace onestep {

/// A set of images, or of points, whole in memory, with a class each where classes are known.
struct Dataset {
  std::string name;
  at::Tensor images;                      ///< [N, C, H, W], contiguous, CPU: uint8, or float32 as it is
  at::Tensor spread;                      ///< of latents, float32 like images: the standard deviation about
                                          ///< them with which they are drawn anew each time; or undefined
  at::Tensor labels;                      ///< int64 [N], each in [0, K); zeros where K = 0: no classes known
  std::vector<std::string> class_names;   ///< K names, in the order of the labels
  std::optional<MixtureDensity> density;  ///< where it is known: what the set was drawn from
  std::string encoded_by;                 ///< of latents from files: latents.h; "": they don't say it
  std::string passed_over;                ///< files of its folder or archive that are not in it; "": none
  std::optional<PackedFacts> content;     ///< of all arrays as they were read, where it is known
};

using DatasetConfig = std::variant<FashionMnistConfig, IdxConfig, MixtureConfig, ImageFilesConfig,
                                   LatentsConfig, EncodedConfig>;

/// Whether the set holds latents, and whether it holds pictures: points are neither.
inline bool holds_latents(const DatasetConfig& data) {
  return std::holds_alternative<LatentsConfig>(data) || std::holds_alternative<EncodedConfig>(data);
}
inline bool is_pictures(const DatasetConfig& data) {
  return !std::holds_alternative<MixtureConfig>(data) && !holds_latents(data);
}

/// The autoencoder whose latents a set holds, as its configuration names it; "" where it names none.
std::string autoencoder_of(const DatasetConfig& data);

/// Reads the whole set, or draws it: the points of a gaussian_mixture are [N, D, 1, 1], their labels the
/// components; images of one's own have classes where something says so; latents are [N, C, h, w] float32.
/// Throws io::FileError, naming the file, when one is missing (and says what to install), damaged, of a wrong
/// size, or holds a label that is no class. Images that must be decoded are kept in `cache`
/// (packed_images.h), and so are encoded ones (encoded.h), which take an encoder: config::ConfigError where
/// there is none.
Dataset load_dataset(const DatasetConfig& config, const io::Cache& cache = {},
                     const EncodingContext& encoding = {});

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
