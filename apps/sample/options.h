// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/common/ranks.h"
#include "samplers/sampler_config.h"

namespace onestep {

/// What a network can be sampled in beside the precisions of training: for proofs.
inline constexpr const char* kDoublePrecision = "float64";

/// The command line, as it was given.
struct Options {
  std::string model, guide, decoder;
  config::Partial<SamplerConfig> sampler;
  std::string seeds, latents;
  std::optional<int64_t> one_class;
  int64_t class_grid = 0;
  int64_t stop_after = 0;
  std::string compare, steps_list = "5,10,20";
  int64_t reference_steps = 128;
  std::string grid, grid_file, out, zip, npz, trajectory, raw;
  bool subdirs = false;
  int64_t zoom = 1;
  int64_t batch = 64;
  std::optional<std::string> precision;  ///< a name of networks/precision.h, or kDoublePrecision
  std::string device = "cpu";
  int64_t threads = 0;
  RankOptions ranks;
};

/// Declares all options; what is parsed goes into `options`. `--list` prints the solvers and ends the
/// command.
void declare(CLI::App& app, Options& options);

}  // namespace onestep
