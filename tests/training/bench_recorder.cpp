// SPDX-License-Identifier: Apache-2.0
// bench_recorder FOLDER [PARAMETERS_MILLIONS [LOG_LINES]]: what a step waits for a checkpoint of a
// distillation (values and two moments of student and fake score, the average), against writing it in the
// step; what a long log costs at the start and a report afterwards.
#include <cstdio>
#include <filesystem>
#include <string>

#include <ATen/ops/ones.h>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "config/config.h"
#include "io/atomic_file.h"
#include "training/checkpoint.h"
#include "training/recorder.h"
#include "training/run_report.h"

using namespace onestep;
namespace fs = std::filesystem;

namespace {

void bench_checkpoint(const fs::path& folder, int64_t parameters) {
  Task task;
  for (const char* name : {"student", "student.m", "student.v", "student.ema", "fake", "fake.m", "fake.v"})
    task.state.emplace_back(name, at::ones({parameters}));
  task.model = [&] { return io::TensorFile{.tensors = {{"weights", task.state[3].second}}}; };
  const Run run =
      open_run(folder, {.configuration = config::parse("{}", "bench"), .sources = {}, .budget_problem = ""});
  begin_run(run, 0);
  const RunConfig config{.images = 1'000'000};
  const Scoring none;
  Recorder recorder(config, "bench", run, task, none, 0, {});
  std::vector<double> waited, written, direct;
  for (int64_t i = 1; i <= 3; ++i) {
    waited.push_back(bench::seconds(at::kCPU, [&] { recorder.save(100 * i); }));
    written.push_back(bench::seconds(at::kCPU, [&] { recorder.finish(); }));
    direct.push_back(bench::seconds(at::kCPU, [&] {
      save_checkpoint(folder / "checkpoints", task.state, 100 * i + 1, 2);
      const io::TensorFile model = task.model();
      io::write_safetensors(folder / "direct.safetensors", model.tensors);
    }));
  }
  std::printf(
      "%lld M parameters: a step waits %.2f s for a checkpoint, which takes %.2f s beside it; in the step "
      "%.2f s\n",
      static_cast<long long>(parameters / 1'000'000), bench::median(waited), bench::median(written),
      bench::median(direct));
}

void bench_report(const fs::path& folder, int64_t lines) {
  const RunFolder run{folder};
  {
    std::string log;
    for (int64_t i = 1; i <= lines; ++i) {
      nlohmann::ordered_json line{{"nimg", 1000 * i}};
      for (int key = 0; key < 20; ++key)
        line["group" + std::to_string(key / 5) + "/number" + std::to_string(key)] =
            1.0 / static_cast<double>(i + key);
      line["ratio/bins"] = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0};
      log += line.dump() + "\n";
    }
    io::write_file_atomically(run.log(), log);
  }
  RunHistory history;
  const double start = bench::seconds(at::kCPU, [&] { history = read_history(run.log(), ""); });
  const double report = bench::seconds(at::kCPU, [&] { write_run_report(run, "bench", {}, history); });
  std::printf("%lld lines of log: read in %.2f s when a run goes on, a report %.1f ms (%.0f KiB)\n",
              static_cast<long long>(lines), start, 1e3 * report,
              static_cast<double>(fs::file_size(folder / "report.html")) / 1024);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "bench_recorder FOLDER [PARAMETERS_MILLIONS [LOG_LINES]]\n"), 2;
  bench_checkpoint(argv[1], (argc > 2 ? std::stoll(argv[2]) : 56) * 1'000'000);
  bench_report(argv[1], argc > 3 ? std::stoll(argv[3]) : 300'000);
  return 0;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "bench_recorder: %s\n", error.what()), 1;
}
