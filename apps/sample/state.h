// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "samplers/sample.h"

namespace onestep {

/// What the first half of a run that was cut was made with, as its settings say.
struct FirstHalf {
  std::string model_sha256;
  SamplerConfig sampler;
  std::string guide, guide_sha256;  ///< empty where there was none
  std::string precision;
};

/// Where a run begins that does not start from seeds: latents of one's own, or what --stop-after left of an
/// earlier run.
struct State {
  at::Tensor latents;                   ///< [N,C,H,W], unit variance: x/σ
  std::vector<int64_t> seeds;           ///< 0 … N − 1 where the file has none
  std::vector<int64_t> classes;         ///< empty where the file has none
  int64_t steps_done = 0;               ///< of the earlier run
  std::vector<double> sigmas;           ///< what is left of its noise levels; empty where there was none
  std::optional<FirstHalf> first_half;  ///< of a file that --stop-after wrote
};

/// Tensor `latents` of a safetensors file, and with it `seeds`, `classes` and `sigmas` (noise levels left)
/// and `steps_done`, where it holds them; and what the metadata says of the run that was cut. Throws
/// io::FileError naming file and tensor.
State read_state(const std::filesystem::path& path);

/// Throws io::FileError where the latents are not images of the model.
void require_shape(const State& state, const std::filesystem::path& path, const ImageShape& shape);

/// Throws config::ConfigError where what goes on is not the run that was cut: another model or guide. `file`
/// is that of the state, for the message.
void require_same_files(const FirstHalf& first, const std::filesystem::path& file,
                        const std::filesystem::path& model, const std::filesystem::path& guide);

/// The same file of a run that was cut after `steps` of `sigmas`.
void write_state(const std::filesystem::path& path, const SampleRequest& request, const SampleResult& result,
                 const std::vector<double>& sigmas, const std::map<std::string, std::string>& metadata);

}  // namespace onestep
