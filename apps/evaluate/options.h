// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "evaluation/evaluate_config.h"

namespace onestep {

/// The command line of onestep-evaluate, as given.
struct EvaluateOptions {
  std::string config;
  std::vector<std::string> overrides;
  std::string generated_features, reference_features, out, metrics;
  bool dry_run = false, help_config = false;
};

void add_options(CLI::App& app, EvaluateOptions& options);

/// Both ways in, a configuration file and a pair of feature files, lead to one configuration. Throws
/// config::ConfigError.
EvaluateConfig resolve(const EvaluateOptions& options);

}  // namespace onestep
