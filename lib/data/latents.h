// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/check.h"

namespace onestep {

/// The metadata key under which a file of latents, and a model of latents, names the autoencoder that they
/// are of (networks/model_codec.h).
inline constexpr const char* kAutoencoderKey = "onestep.autoencoder";

/// Images as an autoencoder has encoded them, in safetensors files, the shards of one set.
struct LatentsConfig {
  static constexpr const char* kind = "latents";
  std::vector<std::string> files;
  std::string autoencoder;
  std::optional<int64_t> classes;
  std::optional<int64_t> limit;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("files", c.files,
          "safetensors files, in this order, each with `latents`, float16, bfloat16 or float32 [N, C, h, w], "
          "or with `mean` and `std` of latents to be drawn anew whenever they are read; and `labels`, int64 "
          "[N], or none of them with labels",
          config::path, config::Role::place);
    visit("autoencoder", c.autoencoder,
          "what encoded them, a model file or a folder in diffusers' layout: decodes samples; empty: no "
          "pictures are made",
          config::path_or_none, config::Role::place);
    visit("classes", c.classes, "number of classes; none: one more than the largest label",
          config::between(1, 1'000'000));
    visit("limit", c.limit, "use the first so many only", config::at_least(1));
  }
};

struct Latents {
  at::Tensor values;    ///< float32 [N, C, h, w]: latents, or their means
  at::Tensor spread;    ///< float32 like values: their standard deviations; undefined where those are latents
  at::Tensor labels;    ///< int64 [N]; zeros where classes = 0
  int64_t classes = 0;  ///< counted before `limit` takes any away
  std::string encoded_by;  ///< what the files say under kAutoencoderKey; "" where none of them does
};

/// Reads them all into memory. Throws io::FileError, naming file and tensor: no `latents` in it, another
/// dtype, dimensions, or a shape that is not the first file's; NaN or infinity, with the place; a standard
/// deviation below 0, or one in some files alone; files of two autoencoders; labels in
/// some files alone, of another number or out of range; no files at all (then it names the key). Throws
/// io::TooLittleMemory before memory is taken that there is not.
Latents read_latents(const LatentsConfig& config);

}  // namespace onestep
