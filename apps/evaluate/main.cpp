// SPDX-License-Identifier: Apache-2.0
// onestep-evaluate: scores generators, real images or feature files, and writes report.html and report.json.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <tuple>

#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/common/ranks.h"
#include "apps/common/run_app.h"
#include "apps/evaluate/options.h"
#include "apps/evaluate/stages.h"
#include "config/config.h"
#include "config/printable.h"
#include "evaluation/evaluate.h"
#include "evaluation/named_source.h"
#include "evaluation/number_text.h"
#include "evaluation/reference_statistics.h"
#include "evaluation/remarks.h"
#include "evaluation/report.h"
#include "evaluation/statistics_file.h"
#include "io/atomic_file.h"
#include "io/folder.h"
#include "io/log.h"
#include "parallel/together.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

/// The command line again, quoted for a shell.
std::string command_text(int argc, char** argv) {
  std::string text;
  for (int i = 0; i < argc; ++i) {
    const std::string word = i == 0 ? fs::path(argv[0]).filename().string() : argv[i];
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-+=./:,@%") == std::string::npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += (i ? " " : "") + (plain ? word : quoted + "'");
  }
  return text;
}

std::string utc_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

void print_plan(const EvaluateConfig& config) {
  std::fputs(config::to_yaml(config).c_str(), stdout);
  int64_t models = 0;
  for (const SubjectConfig& subject : config.subjects)
    models += std::holds_alternative<ModelSubject>(subject);
  const int64_t drawn = models * config.seed_sets * images_to_draw(config);
  std::printf("# %zu subjects, %lld images to draw; report into %s\n", config.subjects.size(),
              static_cast<long long>(drawn), config::printable(config.out).c_str());
}

constexpr const char* kReportFiles[]{"report.html", "report.json", "evaluate.yaml"};

/// Throws io::FileError unless a file can be written there: one is begun, and goes again.
void require_writable(const fs::path& path) {
  const io::AtomicFile probe(path);
}

void write_reports(const Evaluation& evaluation, const Provenance& provenance) {
  using Json = nlohmann::ordered_json;
  const fs::path out = evaluation.config.out;
  // Names come from outside: what is not ASCII is escaped, and a byte that is no UTF-8 replaced, not fatal.
  const std::string json =
      report_json(evaluation, provenance).dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
  const std::string html = report_html(evaluation, provenance);
  // All are on disk before the first takes its name: a full disk leaves an older report whole.
  io::AtomicFile html_file(out / kReportFiles[0]), json_file(out / kReportFiles[1]),
      yaml_file(out / kReportFiles[2]);
  html_file.write(html);
  json_file.write(json);
  yaml_file.write(config::to_yaml(evaluation.config));
  for (io::AtomicFile* file : {&html_file, &json_file, &yaml_file}) file->commit();
}

/// So many workers on a CPU, 0: as many as there are cores for. The linear algebra of rank 0, while the
/// others wait, has as many threads as use_threads gave it.
EvaluationContext make_context(const EvaluateOptions& options, const std::string& device_name,
                               int64_t workers, const Communicator& ranks, StageBars& bars) {
  const io::Cache cache = evaluation_cache(options.cache);
  if (!cache.folder.empty() && io::others_can_write(cache.folder))
    io::log_warning(cache.folder.string() +
                    ": others can write into this cache, and what they put there would be taken for images "
                    "and features; chmod go-w it, or --no-cache");
  const at::Device device = open_device(device_name, ranks.local_rank);
  return {.device = device,
          .cache = cache,
          .data_cache = data_cache(options.cache),
          .workers = device.is_cpu() ? Workers(workers > 0 ? workers : cores()) : Workers(),
          .ranks = ranks,
          .watch = [&](const std::string& stage, int64_t done, int64_t total) {
            bars.update(stage, done, total);
          }};
}

/// The context of the ranks that do the work, once they agree on it. `first` is done by rank 0 alone: what is
/// to be found out before.
EvaluationContext join(const EvaluateOptions& options, const EvaluateConfig& config, int64_t threads,
                       const std::string& what, StageBars& bars, const std::function<void()>& first) {
  const Communicator ranks = join_ranks(options.ranks, config.device);
  EvaluationContext context;
  together(ranks, [&] {
    use_threads(threads);
    context = make_context(options, config.device, threads, ranks, bars);
    if (is_first(ranks)) first();
  });
  Facts facts = facts_of_process(context.device, config::values_of(config::encode(config)));
  facts.emplace_back("what is evaluated", what);
  agree(ranks, facts);
  connect_device(ranks, context.device);
  return context;
}

void write_statistics_file(const EvaluateOptions& options) {
  EvaluateConfig config;
  config.draw_images = 50000;
  if (!options.features.empty()) config.features = features_named(options.features);
  if (!options.seeds.empty()) std::tie(config.first_seed, config.draw_images) = seed_range(options.seeds);
  if (!options.device.empty()) config.device = options.device;
  config.batch = options.batch.value_or(config.batch);
  require_statistics_suffix(options.out);
  const SubjectConfig source = subject_named(options.stats_source, "source");
  if (!std::holds_alternative<FeaturesSubject>(source) && !has_network(config.features))
    throw config::ConfigError("--features is needed: what turns images into features");
  StageBars bars("interrupted; nothing was written");
  const EvaluationContext context = join(options, config, options.threads.value_or(0), options.stats_source,
                                         bars, [&] { require_writable(options.out); });
  const StatisticsFile statistics = reference_statistics(source, config, context);
  bars.finish();
  if (!is_first(context.ranks)) return;
  const int64_t width = statistics.features.mean.size(0);
  if (const std::string few = few_samples(options.stats_source, statistics.n, width); !few.empty())
    io::log_warning(few);
  write_statistics(options.out, statistics);
  std::printf("%s: mean and covariance of %lld samples, %lld features\n",
              config::printable(options.out).c_str(), static_cast<long long>(statistics.n),
              static_cast<long long>(width));
}

void print_result(const Evaluation& evaluation) {
  for (const std::string& warning : evaluation.warnings) io::log_warning(warning);
  std::fputs(config::printable_lines(summary_table(evaluation)).c_str(), stdout);
  if (const std::string verdict = verdict_sentence(evaluation); !verdict.empty())
    std::printf("%s\n", config::printable(verdict).c_str());
  std::printf("report: %s\n",
              config::printable((fs::path(evaluation.config.out) / "report.html").string()).c_str());
}

void score_sources(const EvaluateOptions& options, const std::string& command) {
  const EvaluateConfig config = resolve(options);
  if (options.dry_run) return print_plan(config);
  StageBars bars("interrupted; no report was written");
  const auto start = std::chrono::steady_clock::now();
  const EvaluationContext context = join(options, config, config.threads, config.out, bars, [&] {
    // Before the work, so that what cannot be written is told at once.
    io::make_folders(config.out);
    for (const char* const name : kReportFiles) require_writable(fs::path(config.out) / name);
  });
  Provenance provenance{
      .command = command, .date = utc_date(), .onestep = version(), .libtorch = libtorch_version()};
  provenance.device = config.device;
  provenance.threads = at::get_num_threads();
  const Evaluation evaluation = evaluate(config, context);
  bars.finish();
  if (!is_first(context.ranks)) return;
  provenance.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_reports(evaluation, provenance);
  print_result(evaluation);
  const double fid = evaluation.subjects.front().score.fid.value;
  if (options.fail_above && !(fid <= *options.fail_above))
    throw BelowStandard("FID " + number_text(fid) + " of " + evaluation.subjects.front().name + " is above " +
                        number_text(*options.fail_above));
}

void run(const EvaluateOptions& options, bool stats, const std::string& command) {
  if (options.help_config)
    std::fputs(config::help<EvaluateConfig>().c_str(), stdout);
  else if (stats)
    write_statistics_file(options);
  else
    score_sources(options, command);
}

}  // namespace
}  // namespace onestep

int main(int argc, char** argv) {
  CLI::App app("Scores generators by FID with a standard error, and writes a report.", "onestep-evaluate");
  onestep::EvaluateOptions options;
  const CLI::App* stats = onestep::add_options(app, options);
  const std::string command = onestep::config::printable(onestep::command_text(argc, argv));
  return onestep::run_app(app, argc, argv, [&] { onestep::run(options, stats->parsed(), command); });
}
