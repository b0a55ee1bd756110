// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/codec.h"
#include "tasks/train_config.h"

namespace onestep {

/// Between pictures and what a run trains on: the autoencoder that its data names, else the one that its
/// teacher was made for, else pixels. Throws io::FileError, and config::ConfigError where both are named and
/// are not the same, and where a teacher of latents meets data that are none.
Codec codec_of_run(const TrainConfig& config, at::Device device);

}  // namespace onestep
