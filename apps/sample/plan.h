// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>

#include "apps/sample/options.h"
#include "networks/codec.h"
#include "parallel/communicator.h"
#include "samplers/model_data.h"
#include "samplers/sample.h"

namespace onestep {

/// One picture of many samples, in reading order.
struct Sheet {
  std::filesystem::path file;
  int64_t rows, columns, zoom;
};

/// Everything that is drawn and written, decided and checked before any sampling.
struct Plan {
  Workers workers;  ///< --threads of them on a CPU
  Communicator ranks;
  at::Device device = at::kCPU;
  Denoiser denoiser;
  Codec codec;  ///< between its samples and pictures, where those are wanted
  SamplerConfig sampler;
  SampleRequest request;
  std::string precision, guide;  ///< given, or those of the run that goes on
  std::optional<Sheet> sheet;
  std::optional<std::filesystem::path> folder;  ///< of a PNG file for each sample
  bool subdirs = false;                         ///< … in sub-folders of 1000 seeds
  std::optional<std::filesystem::path> zip, npz, trajectory, raw;
  std::filesystem::path sidecar;          ///< beside the first of folder, sheet and the files
  std::optional<ChannelStatistics> data;  ///< what the model was trained on, where it says so
};

/// Loads the models, lays the options over the model's own sampler, and reads latents. Throws
/// config::ConfigError for options that do not fit together or the model, io::FileError for files that are
/// bad or can't be written: by rank 0, the others write nothing.
Plan make_plan(const Options& options, const Communicator& ranks);

}  // namespace onestep
