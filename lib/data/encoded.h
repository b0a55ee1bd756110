// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "data/latent_moments.h"
#include "data/pictures.h"
#include "io/cache.h"
#include "parallel/workers.h"

namespace onestep {

struct Dataset;

/// Pictures as an autoencoder encodes them.
struct EncodedConfig {
  static constexpr const char* kind = "encoded";
  std::string autoencoder;
  PicturesConfig of;
  bool mirrored = false;
  bool sampled = true;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("autoencoder", c.autoencoder, "model file of an autoencoder, or a folder in diffusers' layout",
          config::path, config::Role::place);
    visit("of", c.of, "the pictures; they are encoded once, and kept in the cache");
    visit("mirrored", c.mirrored, "also encode each picture mirrored left to right: a set of twice the size");
    visit("sampled", c.sampled,
          "draw a latent anew whenever it is read, mean + standard deviation · noise; else the mean");
  }
};

/// Pictures of that size that an autoencoder takes at once: a rule, since the last bits may depend on it.
inline int64_t autoencoder_pass(int64_t height, int64_t width) {
  constexpr int64_t kPixels = 16 * 1024, kMost = 16;
  return std::clamp<int64_t>(kPixels / (height * width), 1, kMost);
}

/// What encodes a set. lib/data knows no network: who reads an encoded set brings this along.
struct Encoder {
  std::string sha256;  ///< of the autoencoder's file: what the cache goes by
  /// Of images [n, C, H, W] in [−1, 1], a row for each that does not depend on the others. May be called by
  /// several threads at once.
  std::function<LatentMoments(const at::Tensor& images)> moments;
};

/// What encoding takes beside the pictures.
struct EncodingContext {
  std::function<Encoder(const std::string& autoencoder)> open;  ///< opens what a configuration names
  Workers workers = {};
  /// Called after each picture with how many are done of how many; may throw to stop.
  std::function<void(int64_t done, int64_t all)> watch = {};
};

/// The set of a picture set's latents, classes and their names as they were. Encoded once, kept in the cache
/// whole and mapped from there (packed_arrays.h); by what the pictures and the autoencoder are, not by their
/// names. On its way the cache holds pieces, so that an interrupted encoding goes on where it was. Every bit
/// is the same with and without a cache, for any number of workers. Throws io::FileError for latents that are
/// not finite, io::TooLittleMemory before memory is taken that there is not.
Dataset encoded(const Dataset& pictures, const Encoder& encoder, const EncodedConfig& config,
                const io::Cache& cache, const EncodingContext& context);

}  // namespace onestep
