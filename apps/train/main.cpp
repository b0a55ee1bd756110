// SPDX-License-Identifier: Apache-2.0
// onestep-train CONFIG.yaml [key=value …]: trains a teacher, distils it, or trains a feature network.
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>

#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "apps/common/arguments.h"
#include "apps/common/caches.h"
#include "apps/common/process.h"
#include "apps/common/ranks.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "apps/train/encoding.h"
#include "config/config.h"
#include "data/channel_statistics.h"
#include "data/content_hash.h"
#include "data/first_image.h"
#include "io/folder.h"
#include "io/log.h"
#include "io/memory.h"
#include "io/progress.h"
#include "kernels/cuda_plugin.h"
#include "networks/model_codec.h"
#include "parallel/deal.h"
#include "parallel/together.h"
#include "samplers/pictures.h"
#include "tasks/run_codec.h"
#include "tasks/train_config.h"
#include "training/cost_text.h"

namespace onestep {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  std::string latents_out;
  bool dry_run = false;
  bool help_config = false;
  CacheOptions cache;
  RankOptions ranks;
};

std::string task_name(const TaskConfig& task) {
  return std::visit([](const auto& c) { return std::string(c.kind); }, task);
}

/// FID on the way, where the configuration asks for it. A signal during it ends it without a score; the loop
/// then writes its checkpoint as always.
Scoring make_scoring(const TrainConfig& config, const EvaluationContext& where, const ImageShape& pictures,
                     const Codec& codec) {
  if (!config.evaluation) return {};
  EvaluationContext context = where;
  context.watch = [](const std::string&, int64_t, int64_t) {
    if (stop_signal() != 0) throw Interrupted("interrupted before training");
  };
  const auto scorer = std::make_shared<ModelScorer>(*config.evaluation, context, pictures, codec);
  return {.name = "fid",
          .every_images = config.evaluation->every_images,
          .score = [scorer](const io::TensorFile& model) -> std::optional<ModelScore> {
            try {
              const std::optional<Scored> scored = (*scorer)(model);
              return scored ? std::optional(ModelScore{scored->fid, scored->se}) : std::nullopt;
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
      ranks_here() > 1 ? "this training by so many ranks" : "this training",
      cost.bytes * static_cast<double>(ranks_here()),
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
  std::printf("#                %s\n", cost_text(cost, config.run.images).c_str());
}

/// Throws config::ConfigError where so many ranks can't share a batch, naming those that can.
void require_shareable(const RunConfig& run, int64_t ranks) {
  const int64_t shard = shard_size(run), shards = (run.batch + shard - 1) / shard;
  if (can_share(shards, ranks)) return;
  throw config::ConfigError(c10::str(ranks, " ranks cannot share a batch of ", run.batch, " in shards of ",
                                     shard, " (run.micro_batch): ", c10::Join(", ", possible_ranks(shards)),
                                     " can, and more with smaller shards or a larger batch"));
}

/// The run as it is trained. A GPU's shard is a whole batch where none is given: then it is a rank's share.
RunConfig shared_by(RunConfig run, int64_t ranks) {
  if (run.micro_batch > 0 || run.device == "cpu" || ranks == 1 || run.batch % ranks != 0) return run;
  run.micro_batch = run.batch / ranks;
  io::log_info(c10::str("shards of ", run.micro_batch, " images, the batch by ", ranks,
                        " ranks: another number of ranks gives other bits unless run.micro_batch is set"));
  return run;
}

TrainConfig read_config(const Options& options) {
  if (options.config.empty()) throw config::ConfigError("which CONFIG.yaml? (--help says more)");
  return config::read<TrainConfig>(config::load(options.config, options.overrides));
}

void dry_run(const Options& options) {
  auto config = read_config(options);
  const int64_t ranks = std::max<int64_t>(options.ranks.ranks, 1);
  require_shareable(shared_by(config.run, ranks), ranks);
  const at::Device device = device_named(config.run.device);  // a plan for a GPU needs none
  config.run.precision = resolved_precision(config.run.precision, device);
  const Workers workers = use_workers(config.run.workers, config.run.threads, device);
  const Dataset data = outline_of_dataset(config.data, encoding_by(codec_of_run(config, at::kCPU), workers));
  print_plan(config::to_yaml(config), config, cost_of(config, data, workers));
}

/// All that a run is made of. Each rank makes its own.
struct Experiment {
  TrainConfig config;
  RunConfig run;  ///< as these ranks train it
  at::Device device = at::kCPU;
  Workers workers;
  Codec codec;  ///< between pictures and the data
  Dataset data;
  ImageShape pictures;  ///< what the codec makes of the data's images
  Task task;
  RunIdentity identity;
};

/// What is made of the configuration alone.
void prepare(Experiment& e, const Communicator& ranks) {
  RunConfig& run = e.config.run;
  e.device = open_device(run.device, ranks.local_rank);
  if (run.precision == kAutoPrecision)
    run.precision = value_in_run(run.dir, "run.precision").value_or(kAutoPrecision);
  run.precision = use_precision("run.precision", run.precision, e.device);
  if (e.device.is_cuda()) kernels::autotune_convolutions(run.autotune);
  e.run = shared_by(run, ranks.size);
  require_shareable(e.run, ranks.size);
  e.workers = use_workers(run.workers, run.threads, e.device);
  e.codec = codec_of_run(e.config, e.device);
}

/// What is made of configuration and data.
void complete(Experiment& e, const Communicator& ranks) {
  const TrainConfig& config = e.config;
  if (!e.data.passed_over.empty()) io::log_warning("data: " + e.data.passed_over);
  if (const std::string classes = empty_classes(class_counts(e.data)); !classes.empty())
    io::log_warning("data: " + classes);
  TaskContext context{
      .run = e.run,
      .device = e.device,
      .data = e.data,
      .provenance = {{"onestep.provenance", nlohmann::ordered_json{{"onestep", version()},
                                                                   {"libtorch", libtorch_version()},
                                                                   {"data", e.data.name},
                                                                   {"config", config::to_yaml(config)}}
                                                .dump()},
                     {kDataKey, config::to_json(statistics_of(e.data)).dump()}},
      .workers = e.workers,
      .ranks = ranks,
      .graphs =
          config.run.graph && e.device.is_cuda() ? kernels::cuda_graphs(e.device) : kernels::GraphMaker(),
      .codec = e.codec};
  context.provenance.merge(metadata_of(e.codec));
  if (const auto* latents = std::get_if<LatentsConfig>(&config.data);
      latents != nullptr && !e.data.encoded_by.empty() && !is_pixels(e.codec))
    require_same(latents->files.front(), e.data.encoded_by, e.codec);
  try {
    e.pictures = picture_shape(e.codec, data_shape(context));
  } catch (const c10::Error& error) {
    throw config::ConfigError(std::string("data: ") + error.what_without_backtrace());
  }
  require_room(cost_of(config, e.data, e.workers), e.device);
  e.task = make_task(config.task, context);
  e.identity = {.configuration = config::encode(config),
                .sources = sources_of(config.task),
                .budget_problem = budget_problem(config)};
  if (const std::string sha256 = content_sha256(e.codec); !sha256.empty())
    e.identity.sources.push_back(
        {.what = "autoencoder", .place = autoencoder_of(config.data), .sha256 = sha256});
  e.identity.sources.push_back({.what = "data", .place = e.data.name, .sha256 = content_sha256(e.data)});
}

/// Beside the run's models, which name it.
void keep_autoencoder(const RunFolder& folder, const Codec& codec) {
  if (is_pixels(codec)) return;
  const std::filesystem::path file = folder.root / kAutoencoderFile;
  if (io::path_exists(file)) {
    try {
      if (content_sha256(load_codec(file, at::kCPU)) == content_sha256(codec)) return;
      io::log_warning(file.string() + " is another autoencoder, and is written anew");
    } catch (const io::FileError& error) {
      io::log_warning(std::string(error.what()) + "; it is written anew");
    }
  }
  save_codec(file, codec);
}

/// What the bits of a run depend on, where ranks may differ.
Facts facts_of(const Experiment& e) {
  Facts facts = facts_of_process(e.device, config::values_of(e.identity.configuration));
  for (const Source& source : e.identity.sources)
    facts.emplace_back(source.what + " (sha256)", source.sha256);
  return facts;
}

void train(const Options& options) {
  if (options.help_config) {
    std::cout << config::help<TrainConfig>();
    return;
  }
  if (options.dry_run) return dry_run(options);
  Experiment e;
  std::exception_ptr problem;  // with the configuration: told when the ranks have met, by one
  try {
    e.config = read_config(options);
  } catch (const std::exception&) {
    problem = std::current_exception();
  }
  const Communicator ranks = join_ranks(options.ranks, e.config.run.device);
  together(ranks, [&] {
    if (problem) std::rethrow_exception(problem);
    prepare(e, ranks);
  });
  one_of_a_machine_first(ranks, [&] {
    e.data = load_dataset(e.config.data, data_cache(options.cache), encoding_by(e.codec, e.workers));
  });
  if (!options.latents_out.empty()) {
    together(ranks, [&] {
      if (is_first(ranks)) write_latents(options.latents_out, e.config.data, e.data, e.codec);
    });
    if (is_first(ranks)) io::log_info("wrote " + options.latents_out);
    return;
  }
  together(ranks, [&] { complete(e, ranks); });
  agree(ranks, facts_of(e));
  connect_device(ranks, e.device);
  const Scoring scoring = make_scoring(
      e.config,
      {.device = e.device, .data_cache = data_cache(options.cache), .workers = e.workers, .ranks = ranks},
      e.pictures, e.codec);
  std::optional<Run> run;  // the folder is rank 0's
  together(ranks, [&] {
    if (!is_first(ranks)) return;
    run.emplace(open_run(e.run.dir, e.identity));
    keep_autoencoder(run->folder, e.codec);
  });
  const RunEnd end = run_training(
      e.run, task_name(e.config.task), run ? &*run : nullptr, e.data, e.task,
      [] { return stop_signal() != 0; }, scoring, ranks);
  if (end == RunEnd::interrupted) throw Interrupted("stopped; the same command goes on from there");
  if (end == RunEnd::finished) io::log_info("wrote " + RunFolder{e.run.dir}.model().string());
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
  app.add_option("--latents-out", options.latents_out,
                 "train nothing: write the latents of encoded data, for data of kind latents elsewhere")
      ->check(onestep::is_path())
      ->type_name("FILE");
  onestep::add_cache_options(app, options.cache, "decoded and encoded images", "/data");
  onestep::add_rank_options(app, options.ranks);
  app.add_flag("--help-config", options.help_config, "print every key with its default and meaning");
  return onestep::run_app(app, argc, argv, [&] { onestep::train(options); });
}
