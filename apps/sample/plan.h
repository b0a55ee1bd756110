// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>

#include "apps/sample/options.h"
#include "samplers/sample.h"

namespace onestep {

/// One picture of many samples, in reading order.
struct Sheet {
  std::filesystem::path file;
  int64_t rows, columns, zoom;
};

/// Everything that is drawn and written, decided and checked before any sampling.
struct Plan {
  Denoiser denoiser;
  SamplerConfig sampler;
  SampleRequest request;
  std::optional<Sheet> sheet;
  std::optional<std::filesystem::path> folder;  ///< of a PNG file for each sample
  std::optional<std::filesystem::path> raw;
  std::filesystem::path sidecar;  ///< beside the first of folder, sheet and raw
};

/// Loads the model, lays the options over its own sampler, and reads latents. Throws config::ConfigError for
/// options that do not fit together or the model, io::FileError for files that are bad or can't be written.
Plan make_plan(const Options& options);

}  // namespace onestep
