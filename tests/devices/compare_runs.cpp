// SPDX-License-Identifier: Apache-2.0
// compare_runs [--device cuda] [--json] [--from N]: every task and every kind of distillation, a hundred tiny
// images each, on the CPU and on another device: how far its losses are from the CPU's, whether a stopped and
// resumed run has the bits of an unbroken one, whether replayed graphs have those of an eager run (without a
// GPU a stand-in for graphs), how far narrower precisions are from float32, and how often a step makes the
// host wait.
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "bench.h"
#include "io/jsonl.h"
#include "io/numerical_error.h"
#include "kernels/cuda_sync.h"
#include "stand_in_graphs.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

struct Options {
  std::string device = "cuda";
  bool json = false;
  size_t from = 0;
};

/// What seven steps make of rounding. Instruction sets of one CPU differ by up to 1e-5, and by up to 8e-3 in
/// SiD and SiDA: some of their gradients are rounding alone, and Adam's first updates go by the signs.
double tolerance_of(const std::string& task) {
  return task.starts_with("sid") ? 1e-1 : 1e-3;
}

/// What they make of a narrower precision: a few times what bfloat16 makes of it on a CPU.
double precision_tolerance_of(const std::string& task) {
  return task.starts_with("sid") ? 1.0 : 0.2;
}

/// The tasks whose work is decided on the host in part, so that none of it is recorded.
bool has_graphs(const std::string& task) {
  return task != "multi_step" && task != "regression";
}

struct Compared {
  double loss_difference = 0;
  std::string first_difference;              ///< of the resumed run from the unbroken one
  std::string graph_difference;              ///< of a run of graphs from an eager one
  int64_t replays = 0;                       ///< of graphs, in that run
  std::map<std::string, double> precisions;  ///< by name: how far its losses are from float32's
  double syncs = 0;                          ///< a step
  std::set<std::string> waiting;             ///< the operations in which it waits
  bool holds(const std::string& task) const {
    for (const auto& [name, difference] : precisions)
      if (!(difference <= precision_tolerance_of(task))) return false;
    return loss_difference <= tolerance_of(task) && first_difference.empty() && graph_difference.empty() &&
           (replays > 0) == has_graphs(task) && syncs == 0;
  }
};

/// The losses that a run's log ends with, by name: details have a slash in theirs.
std::map<std::string, double> losses_of(const std::filesystem::path& run) {
  std::map<std::string, double> losses;
  const auto last = io::read_jsonl(run / "log.jsonl").back();
  for (const auto& [name, value] : last.items())
    if (value.is_number() && name.find('/') == std::string::npos && name != "nimg" &&
        !name.ends_with("_per_sec"))
      losses[name] = value.get<double>();
  return losses;
}

/// The largest difference, in units of the largest loss: those of the expanded branch nearly cancel.
double difference_of(const std::map<std::string, double>& a, const std::map<std::string, double>& b) {
  double worst = 0, scale = 0;
  for (const auto& [name, value] : b) scale = std::max(scale, std::abs(value));
  for (const auto& [name, value] : a) {
    const auto other = b.find(name);
    const double gap = other == b.end() ? NAN : std::abs(value - other->second) / scale;
    worst = std::max(worst, std::isfinite(gap) ? gap : std::numeric_limits<double>::infinity());
  }
  return a.size() == b.size() ? worst : std::numeric_limits<double>::infinity();
}

/// Waits in a task's steps after the first, in which some things are made that stay.
void look_for_syncs(Compared& compared, const std::filesystem::path& dir, const Experiment& e,
                    at::Device device) {
  if (!device.is_cuda()) return;
  constexpr int kSteps = 4;
  const TrainConfig config = config_of(dir, e.task, "images: 1000, batch: 16");
  std::filesystem::create_directories(dir);
  Task task =
      ready_task(config.task, {.run = config.run, .device = device, .data = e.data, .provenance = {}});
  const auto step = [&](int64_t i) {
    task.step(
        step_of(read_batch(e.data, config.run.seed, 16 * i, 16, /*flip=*/true), shard_size(config.run)));
  };
  step(0);
  const std::vector<std::string> syncs = kernels::cuda_syncs([&] {
    for (int64_t i = 1; i <= kSteps; ++i) step(i);
  });
  compared.syncs = static_cast<double>(syncs.size()) / kSteps;
  compared.waiting = {syncs.begin(), syncs.end()};
}

/// Two dozen steps in two shards each, and one that is as long as a shard: by graphs, and without.
void look_at_graphs(Compared& compared, const TemporaryFolder& folder, const Experiment& e,
                    at::Device device) {
  const std::string budget = "images: 392, batch: 16";
  const auto counts = std::make_shared<test::GraphCounts>();
  const kernels::GraphMaker maker =
      device.is_cuda() ? test::counted(kernels::cuda_graphs(device), counts) : test::stand_in_graphs(counts);
  const Finished eager = run(folder / (e.name + "_eager"), e.task, budget, 0, e.data, device);
  const Finished graphs = run(folder / (e.name + "_graphs"), e.task, budget, 0, e.data, device, {}, maker);
  compared.graph_difference = first_difference(graphs, eager);
  compared.replays = counts->replayed;
}

/// The budget of `float32`'s run again, in what else the device computes in.
void look_at_precisions(Compared& compared, const TemporaryFolder& folder, const Experiment& e,
                        at::Device device, const std::map<std::string, double>& float32) {
  const auto look = [&](const std::string& precision) {
    const std::filesystem::path place = folder / (e.name + "_" + precision);
    run(place, e.task, kBudget + ", precision: " + precision, 0, e.data, device);
    compared.precisions[precision] = difference_of(losses_of(place), float32);
  };
  look("bfloat16");
  if (!device.is_cuda()) return;
  use_precision("precision", "tf32", device);
  look("tf32");
  use_precision("precision", "float32", device);
}

Compared compare(const TemporaryFolder& folder, const Experiment& e, at::Device device) {
  const auto place = [&](const char* kind) { return folder / (e.name + kind); };
  run(place("_cpu"), e.task, kBudget, 0, e.data);
  const Finished whole = run(place("_whole"), e.task, kBudget, 0, e.data, device);
  const Finished cut = run(place("_cut"), e.task, kBudget, 3, e.data, device);
  Compared compared{.loss_difference = difference_of(losses_of(place("_whole")), losses_of(place("_cpu"))),
                    .first_difference = first_difference(cut, whole)};
  look_at_graphs(compared, folder, e, device);
  look_at_precisions(compared, folder, e, device, losses_of(place("_whole")));
  look_for_syncs(compared, place("_syncs"), e, device);
  return compared;
}

void run_all(const Options& options) {
  use_threads(1);
  const at::Device device = open_device(options.device);
  const TemporaryFolder folder;
  const std::vector<Experiment> all = experiments(folder);
  size_t failed = 0;
  for (size_t i = options.from; i < all.size(); ++i) {
    const Experiment& e = all[i];
    if (options.json) std::fprintf(stderr, "%s\n", e.name.c_str());
    nlohmann::ordered_json line{{"task", e.name}, {"tolerance", tolerance_of(e.name)}, {"holds", false}};
    try {
      const Compared c = compare(folder, e, device);
      line["holds"] = c.holds(e.name);
      line["loss_difference"] = c.loss_difference;
      line["resumes_equal"] = c.first_difference.empty();
      line["first_difference"] = c.first_difference;
      line["graphs_equal"] = c.graph_difference.empty();
      line["graph_difference"] = c.graph_difference;
      line["replays"] = c.replays;
      line["precisions"] = c.precisions;
      line["syncs"] = c.syncs;
      line["waiting"] = c.waiting;
    } catch (const c10::Error& error) {
      line["error"] = error.what_without_backtrace();
    } catch (const std::exception& error) {
      line["error"] = error.what();
    }
    failed += !line["holds"].get<bool>();
    if (options.json) {
      std::printf("%s\n", line.dump().c_str());
    } else if (line.contains("error")) {
      std::printf("%-18s FAILED  %s\n", e.name.c_str(), line["error"].get<std::string>().c_str());
    } else {
      const auto equal = [&](const char* what) { return line[what].get<bool>() ? "equal" : "DIFFERENT"; };
      std::string precisions;
      for (const auto& [name, difference] : line["precisions"].items())
        precisions += c10::str(", ", name, " ", difference.get<double>());
      std::printf("%-18s %s  losses differ by %.1e%s, resumed %s, %lld graphs replayed %s, %g waits a step\n",
                  e.name.c_str(), line["holds"].get<bool>() ? "holds " : "FAILED",
                  line["loss_difference"].get<double>(), precisions.c_str(), equal("resumes_equal"),
                  static_cast<long long>(line["replays"].get<int64_t>()), equal("graphs_equal"),
                  line["syncs"].get<double>());
    }
    std::fflush(stdout);
    if (bench::is_lost(line.value("error", ""))) throw std::runtime_error(bench::go_on(i + 1));
  }
  if (failed > 0) throw NumericalError(std::to_string(failed) + " tasks do not hold");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Every task and every kind of distillation on the CPU and on another device.", "compare_runs");
  Options options;
  app.add_option("--device", options.device, "cuda, cuda:N, or cpu")->capture_default_str();
  app.add_flag("--json", options.json, "print a line of JSON for each");
  app.add_option("--from", options.from, "leave out so many of the first ones");
  return run_app(app, argc, argv, [&] { run_all(options); });
}
