// SPDX-License-Identifier: Apache-2.0
#include "apps/evaluate/options.h"

#include <algorithm>
#include <filesystem>

#include "apps/common/arguments.h"
#include "config/config.h"
#include "config/merge.h"
#include "config/printable.h"
#include "evaluation/named_source.h"
#include "evaluation/protocol.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

/// Puts a value under its key, over what stands there.
template <class T>
void put(config::Node& tree, const std::string& key, const T& value) {
  config::Node node = config::encode(value);
  node.key = key;
  config::Node layer{.kind = config::Node::Kind::map, .children = {node}};
  config::merge(tree, layer);
}

/// How a report calls what was given as a path: "runs/a/model.safetensors" is a.
std::string short_name(const std::string& source, const std::vector<std::string>& taken) {
  const fs::path path = fs::path(source).lexically_normal();
  std::string name = path.stem().string();
  if ((name == "model" || name == "best") && path.has_parent_path() && !path.parent_path().stem().empty())
    name = path.parent_path().stem().string() + (name == "best" ? ", best" : "");
  if (name.empty() || name == ".") name = source;
  name = config::printable(name);
  const std::string first = name;
  for (int i = 2; std::ranges::find(taken, name) != taken.end(); ++i)
    name = first + " (" + std::to_string(i) + ")";
  return name;
}

config::Node tree_of_sources(const EvaluateOptions& options) {
  if (options.generated.empty() && options.trend.empty())
    throw config::ConfigError("nothing to score: give a configuration file, or --generated with --reference");
  if (options.reference.empty()) throw config::ConfigError("--generated and --reference are given together");
  config::Node tree{.kind = config::Node::Kind::map};
  std::vector<std::string> sources = options.generated, names;
  // A run alone: its last model is the headline.
  if (sources.empty()) sources.push_back((fs::path(options.trend) / "model.safetensors").string());
  if (!options.baseline.empty()) sources.push_back(options.baseline);
  std::vector<SubjectConfig> subjects;
  for (const std::string& source : sources) {
    names.push_back(short_name(source, names));
    subjects.push_back(subject_named(source, names.back()));
  }
  put(tree, "title", names.front());
  put(tree, "subjects", subjects);
  put(tree, "reference", reference_named(options.reference));
  if (!options.baseline.empty()) put(tree, "baseline", names.back());
  if (!options.trend.empty()) put(tree, "trend", options.trend);
  return tree;
}

config::Node tree_of(const EvaluateOptions& options) {
  const bool sources = !options.generated.empty() || !options.reference.empty() ||
                       !options.baseline.empty() || !options.trend.empty();
  if (!sources && !options.config.empty()) return config::load(options.config, options.overrides);
  if (!options.config.empty())
    throw config::ConfigError("a configuration file and sources by name exclude each other");
  return tree_of_sources(options);
}

}  // namespace

CLI::App* add_options(CLI::App& app, EvaluateOptions& o) {
  app.add_option("config", o.config, "configuration file (YAML)")->check(is_path());
  app.add_option("overrides", o.overrides, "changes to it, key.path=value");
  app.add_option(
         "--generated,--generated-features", o.generated,
         "instead of a configuration: a model file, a folder, .zip or .npz of images, an idx file, features "
         "or statistics (.npz, .safetensors); may be given several times")
      ->check(is_path())
      ->type_name("SOURCE");
  app.add_option("--reference,--reference-features", o.reference,
                 "the same for the data; fashion_mnist/test is a set that is known by name")
      ->check(is_path())
      ->type_name("SOURCE");
  app.add_option("--baseline", o.baseline,
                 "what the first --generated is judged against; with paired seeds if a model")
      ->check(is_path())
      ->type_name("SOURCE");
  app.add_option("--trend", o.trend, "a training run's folder: FID of each model that it kept")
      ->check(is_path())
      ->type_name("RUN");
  app.add_option("--metrics", o.metrics, "such as fid,kid,recall, or all (default: the configuration's)");
  app.add_option("--protocol", o.protocol, "edm: published numbers; quick: a first look")
      ->check(CLI::IsMember(protocol_names()));
  app.add_option("--fail-above", o.fail_above, "end with exit code 5 when the headline's FID is above this")
      ->check(is_distance());
  app.add_flag("--dry-run", o.dry_run, "print the resolved configuration and the work; write nothing");
  app.add_flag("--help-config", o.help_config, "every key of the configuration, its default and meaning");
  CLI::App* stats = app.add_subcommand(
      "stats", "writes mean and covariance of a source's features, for this command, pytorch-fid and EDM");
  stats->add_option("source", o.stats_source, "as for --generated")
      ->required()
      ->check(is_path())
      ->type_name("SOURCE");
  for (CLI::App* command : {&app, stats}) {
    command
        ->add_option("--features", o.features,
                     "inception:FILE, classifier:FILE, torchscript:FILE, pixels, or a file alone")
        ->check(is_path());
    command->add_option("--seeds", o.seeds, "of models: a range such as 0-49999; files are taken whole")
        ->check(is_given())
        ->type_name("A-B");
    command->add_option("--batch", o.batch, "images a network pass")
        ->check(CLI::Range(int64_t{1}, kLargestBatch));
    command->add_option("--device", o.device, "cpu, cuda or cuda:N");
    command->add_option("--threads", o.threads, "CPU threads; 0 is OMP_NUM_THREADS or all cores")
        ->check(CLI::Range(int64_t{0}, kMostThreads));
    add_rank_options(*command, o.ranks);
    add_cache_options(*command, o.cache, "drawn images, features and decoded images",
                      "/evaluation and /data");
  }
  app.add_option("--out", o.out, "folder for report.html and report.json")
      ->check(is_path())
      ->type_name("DIR");
  stats->add_option("--out", o.out, "the file to write: .npz, or .safetensors")
      ->required()
      ->check(is_path())
      ->type_name("FILE");
  return stats;
}

std::pair<int64_t, int64_t> seed_range(const std::string& text) {
  if (text.find(',') != std::string::npos)
    throw config::ConfigError("--seeds: expected one range such as 0-49999, got '" + config::shown(text) +
                              "'");
  const std::vector<int64_t> seeds = parse_seeds(text);
  return {seeds.front(), static_cast<int64_t>(seeds.size())};
}

EvaluateConfig resolve(const EvaluateOptions& options) {
  config::Node tree = tree_of(options);
  if (!options.out.empty()) put(tree, "out", options.out);
  if (config::find(tree, "out") == nullptr)
    throw config::ConfigError("--out is needed: the folder for the report");
  if (!options.features.empty()) put(tree, "features", features_named(options.features));
  if (!options.seeds.empty()) {
    const auto [first, count] = seed_range(options.seeds);
    put(tree, "first_seed", first);
    put(tree, "draw_images", count);
  }
  if (!options.metrics.empty()) config::apply_override(tree, "metrics=[" + options.metrics + "]");
  if (!options.protocol.empty()) put(tree, "protocol", options.protocol);
  if (!options.device.empty()) put(tree, "device", options.device);
  if (options.batch) put(tree, "batch", *options.batch);
  if (options.threads) put(tree, "threads", *options.threads);
  return config::read<EvaluateConfig>(with_protocol(tree));
}

}  // namespace onestep
