// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "config/check.h"
#include "data/latents.h"
#include "networks/codec.h"

namespace onestep {

/// What an autoencoder's file is called, in the folder of the run.
inline constexpr const char* kAutoencoderFile = "autoencoder.safetensors";

/// What stands under kAutoencoderKey (data/latents.h) of a model's file, and of a file of latents.
struct NamedAutoencoder {
  std::string file;    ///< beside the model or in the folder above
  std::string sha256;  ///< content_sha256 of what is in it
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("file", c.file, "the autoencoder's file, beside the model", config::non_empty);
    visit("sha256", c.sha256, "of what the file holds", config::non_empty);
  }
};

/// SHA-256 of an autoencoder's configuration and float32 weights: the same whatever file it was read from.
/// "" of pixels.
std::string content_sha256(const Codec& codec);

/// Whether a model file holds an autoencoder.
bool is_codec(const io::TensorFile& file);

/// What a model that makes latents of this codec says of it; nothing of pixels.
std::map<std::string, std::string> metadata_of(const Codec& codec);

/// Throws io::FileError unless `file`, whose metadata names its autoencoder by `named`, is of this one.
void require_same(const std::filesystem::path& file, const std::string& named, const Codec& codec);

/// The codec of a model's latents: pixels where it names none. Throws io::FileError, naming the file, where
/// its autoencoder is not there, is another one than the model was made for, or can't be read.
Codec codec_of_model(const std::filesystem::path& model, at::Device device);
Codec codec_of_metadata(const std::map<std::string, std::string>& metadata,
                        const std::filesystem::path& model, at::Device device);

}  // namespace onestep
