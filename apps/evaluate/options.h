// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/common/caches.h"
#include "apps/common/ranks.h"
#include "evaluation/evaluate_config.h"

namespace onestep {

/// The command line of onestep-evaluate, as given. `stats` has the same source, features and machine.
struct EvaluateOptions {
  std::string config;
  std::vector<std::string> overrides;
  std::vector<std::string> generated;
  std::string reference, baseline, trend, features, seeds, out, metrics, protocol, device;
  std::optional<int64_t> batch, threads;
  CacheOptions cache;
  RankOptions ranks;
  std::optional<double> fail_above;
  bool dry_run = false, help_config = false;
  std::string stats_source;  ///< of `stats`
};

/// Declares the options, and `onestep-evaluate stats` with its own. Returns the subcommand.
CLI::App* add_options(CLI::App& app, EvaluateOptions& options);

/// Both ways in, a configuration file and sources by name, lead to one configuration. Throws
/// config::ConfigError and io::FileError.
EvaluateConfig resolve(const EvaluateOptions& options);

/// "0-49999": the first seed, and how many. Throws config::ConfigError unless it is one range.
std::pair<int64_t, int64_t> seed_range(const std::string& text);

}  // namespace onestep
