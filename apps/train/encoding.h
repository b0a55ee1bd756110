// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "data/dataset.h"
#include "networks/codec.h"

namespace onestep {

/// What reads a data set of latents: by the codec, with a bar of its own; a signal ends it, and what is
/// encoded by then stays in the cache.
EncodingContext encoding_by(const Codec& codec, const Workers& workers);

/// Writes a set of latents as data of kind `latents` takes it, with the autoencoder's name. Throws
/// config::ConfigError for a set of anything else, io::FileError.
void write_latents(const std::filesystem::path& file, const DatasetConfig& config, const Dataset& data,
                   const Codec& codec);

}  // namespace onestep
