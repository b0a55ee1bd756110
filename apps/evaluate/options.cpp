// SPDX-License-Identifier: Apache-2.0
#include "apps/evaluate/options.h"

#include <filesystem>

#include "config/config.h"
#include "config/merge.h"

namespace onestep {
namespace {

EvaluateConfig from_feature_files(const EvaluateOptions& options) {
  if (options.generated_features.empty() || options.reference_features.empty())
    throw config::ConfigError("--generated-features and --reference-features are given together");
  if (options.out.empty()) throw config::ConfigError("--out is needed: the folder for the report");
  EvaluateConfig config;
  config.out = options.out;
  config.subjects = {
      FeaturesSubject{.name = std::filesystem::path(options.generated_features).stem().string(),
                      .path = options.generated_features}};
  config.reference = FeaturesReference{.path = options.reference_features};
  return config;
}

EvaluateConfig from_files_or_yaml(const EvaluateOptions& options) {
  const bool files = !options.generated_features.empty() || !options.reference_features.empty();
  if (options.config.empty() && !files)
    throw config::ConfigError(
        "nothing to score: give a configuration file, or --generated-features with --reference-features");
  if (files && !options.config.empty())
    throw config::ConfigError("a configuration file and feature files exclude each other");
  if (files) return from_feature_files(options);
  config::Node tree = config::load(options.config, options.overrides);
  EvaluateConfig config = config::read<EvaluateConfig>(tree);
  if (!options.out.empty()) config.out = options.out;
  return config;
}

}  // namespace

void add_options(CLI::App& app, EvaluateOptions& options) {
  app.add_option("config", options.config, "configuration file (YAML)");
  app.add_option("overrides", options.overrides, "changes to it, key.path=value");
  app.add_option("--generated-features", options.generated_features,
                 "instead of a configuration: .npz or .safetensors with an array 'features' [N, d]");
  app.add_option("--reference-features", options.reference_features, "the same of the reference");
  app.add_option("--out", options.out, "folder for report.html and report.json");
  app.add_option("--metrics", options.metrics,
                 "such as fid,kid,recall, or all (default: the configuration's)");
  app.add_flag("--dry-run", options.dry_run, "print the resolved configuration and the work; write nothing");
  app.add_flag("--help-config", options.help_config,
               "every key of the configuration, its default and meaning");
}

EvaluateConfig resolve(const EvaluateOptions& options) {
  EvaluateConfig config = from_files_or_yaml(options);
  if (options.metrics.empty()) return config;
  // Read back, so that the command line passes the checks that a file would.
  config::Node tree = config::encode(config);
  config::apply_override(tree, "metrics=[" + options.metrics + "]");
  return config::read<EvaluateConfig>(tree);
}

}  // namespace onestep
