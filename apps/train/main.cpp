// SPDX-License-Identifier: Apache-2.0
// onestep-train CONFIG.yaml [key=value …]: trains a teacher, distils it, or trains a feature network.
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "apps/common/arguments.h"
#include "apps/common/caches.h"
#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "config/config.h"
#include "data/channel_statistics.h"
#include "data/content_hash.h"
#include "data/first_image.h"
#include "io/log.h"
#include "io/memory.h"
#include "io/progress.h"
#include "tasks/train_config.h"

namespace onestep {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  bool dry_run = false;
  bool help_config = false;
  CacheOptions cache;
};

std::string task_name(const TaskConfig& task) {
  return std::visit([](const auto& c) { return std::string(c.kind); }, task);
}

/// FID on the way, where the configuration asks for it. A signal during it ends it without a score; the loop
/// then writes its checkpoint as always.
Scoring make_scoring(const TrainConfig& config, at::Device device, const Dataset& data,
                     const io::Cache& data_cache, const Workers& workers) {
  if (!config.evaluation) return {};
  const EvaluationContext context{.device = device,
                                  .data_cache = data_cache,
                                  .workers = workers,
                                  .watch = [](const std::string&, int64_t, int64_t) {
                                    if (stop_signal() != 0) throw Interrupted("interrupted before training");
                                  }};
  const at::Tensor& images = data.images;
  const auto scorer = std::make_shared<ModelScorer>(
      *config.evaluation, context, ImageShape{images.size(1), images.size(2), images.size(3)});
  return {.name = "fid",
          .every_images = config.evaluation->every_images,
          .score = [scorer](const io::TensorFile& model) -> std::optional<ModelScore> {
            try {
              const Scored scored = (*scorer)(model);
              return ModelScore{scored.fid, scored.se};
            } catch (const Interrupted&) {
              return std::nullopt;
            }
          }};
}

/// What the task costs: computed from shapes, nothing is drawn or taken.
TaskCost cost_of(const TrainConfig& config, const Dataset& data, const Workers& workers) {
  const TaskContext context{
      .run = config.run, .device = at::kMeta, .data = data, .provenance = {}, .workers = workers};
  return make_task(config.task, context).cost;
}

/// Throws io::TooLittleMemory where a training would not fit, before it begins. A GPU speaks for itself.
void require_room(const TaskCost& cost, at::Device device) {
  if (!device.is_cpu()) return;
  io::require_memory(
      "this training", cost.bytes,
      "lower run.workers or run.micro_batch, have blocks recomputed, or take a smaller network");
}

void print_plan(const std::string& yaml, const TrainConfig& config, const TaskCost& cost) {
  std::cout << yaml << '\n';
  for (const auto& [network, parameters] : cost.parameters) {
    std::printf("# %-14s %s parameters\n", network.c_str(), io::format_count(parameters).c_str());
  }
  std::printf("# memory         about %.0f MiB beside the data set\n", cost.bytes / 1048576);
  std::printf("# cost           %.1f MMAC an image, %.2f TMAC for the run\n", cost.macs_per_image / 1e6,
              cost.macs_per_image * static_cast<double>(config.run.images) / 1e12);
}

void train(const Options& options) {
  if (options.help_config) {
    std::cout << config::help<TrainConfig>();
    return;
  }
  if (options.config.empty()) throw config::ConfigError("which CONFIG.yaml? (--help says more)");
  const auto config = config::read<TrainConfig>(config::load(options.config, options.overrides));
  const std::string yaml = config::to_yaml(config);

  const at::Device device = open_device(config.run.device);
  const Workers workers = use_workers(config.run.workers, config.run.threads, device);
  if (options.dry_run)
    return print_plan(yaml, config, cost_of(config, outline_of_dataset(config.data), workers));
  const Dataset data = load_dataset(config.data, data_cache(options.cache));
  if (!data.passed_over.empty()) io::log_warning("data: " + data.passed_over);
  if (const std::string classes = empty_classes(class_counts(data)); !classes.empty())
    io::log_warning("data: " + classes);
  const TaskContext context{
      .run = config.run,
      .device = device,
      .data = data,
      .provenance = {{"onestep.provenance", nlohmann::ordered_json{{"onestep", version()},
                                                                   {"libtorch", libtorch_version()},
                                                                   {"data", data.name},
                                                                   {"config", yaml}}
                                                .dump()},
                     {kDataKey, config::to_json(statistics_of(data)).dump()}},
      .workers = workers};
  require_room(cost_of(config, data, workers), device);
  Task task = make_task(config.task, context);

  const Scoring scoring = make_scoring(config, device, data, data_cache(options.cache), workers);
  RunIdentity identity{.configuration = config::encode(config),
                       .sources = sources_of(config.task),
                       .budget_problem = budget_problem(config)};
  identity.sources.push_back({.what = "data", .place = data.name, .sha256 = content_sha256(data)});
  const Run run = open_run(config.run.dir, identity);
  const RunEnd end = run_training(
      config.run, task_name(config.task), run, data, task, [] { return stop_signal() != 0; }, scoring);
  if (end == RunEnd::interrupted) throw Interrupted("stopped; the same command goes on from there");
  if (end == RunEnd::finished) io::log_info("wrote " + run.folder.model().string());
}

}  // namespace
}  // namespace onestep

int main(int argc, char** argv) {
  CLI::App app("Trains what a configuration describes: a teacher, a one-step student, a feature network.",
               "onestep-train");
  onestep::Options options;
  app.add_option("config", options.config, "experiment, YAML")->check(onestep::is_path());
  app.add_option("overrides", options.overrides, "key.path=value, over the file's values");
  app.add_flag("--dry-run", options.dry_run,
               "print the resolved configuration and what it costs; write nothing");
  onestep::add_cache_options(app, options.cache, "decoded images", "/data");
  app.add_flag("--help-config", options.help_config, "print every key with its default and meaning");
  return onestep::run_app(app, argc, argv, [&] { onestep::train(options); });
}
