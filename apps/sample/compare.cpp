// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/compare.h"

#include <charconv>
#include <sstream>

#include "apps/common/stop.h"
#include "config/node.h"
#include "io/atomic_file.h"
#include "io/image.h"
#include "io/labelled_sheet.h"
#include "io/progress.h"
#include "samplers/pictures.h"

namespace onestep {
namespace {

constexpr int64_t kShown = 16, kColumns = 4;  // samples of a run, and how many of them in a row

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

std::vector<int64_t> parse_steps(const std::string& list) {
  std::vector<int64_t> steps;
  for (const std::string& part : split(list)) {
    int64_t n = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), n);
    if (error != std::errc() || end != part.data() + part.size() || n < 1 || n > 10000)
      throw config::ConfigError("--steps-list: expected numbers of steps such as 5,10,20, got '" +
                                config::shown(part) + "'");
    steps.push_back(n);
  }
  if (steps.empty()) throw config::ConfigError("--steps-list: expected numbers of steps such as 5,10,20");
  return steps;
}

at::Tensor cell(const Plan& plan, const ComparedRun& run) {
  const at::Tensor shown = pictures_of(plan.codec, run.result.samples.slice(0, 0, kShown), plan.workers);
  const int64_t columns = std::min(kColumns, shown.size(0));
  return io::image_grid(io::to_uint8(shown), (shown.size(0) + columns - 1) / columns, columns);
}

std::string steps_text(const ComparedRun& run) {
  const size_t steps = sigmas_of(run.sampler).size() - 1;
  return std::to_string(steps) + (steps == 1 ? " step" : " steps");
}

}  // namespace

Comparison run_comparison(const Options& options, const Plan& plan) {
  const std::vector<std::string> solvers = split(options.compare);
  const std::vector<int64_t> steps = parse_steps(options.steps_list);
  const auto runs = static_cast<int64_t>(solvers.size() * steps.size() + 1);
  std::optional<io::Progress> progress;  // once drawing begins: an error before that is one line
  const SampleWatch watch = [&](int64_t done) {
    if (stop_signal() != 0) throw Interrupted("interrupted, nothing was written");
    if (!progress) progress.emplace("compare", runs * static_cast<int64_t>(plan.request.seeds.size()));
    progress->update(done);
  };
  const Comparison comparison = compare(plan.denoiser, plan.sampler, solvers, steps, options.reference_steps,
                                        plan.request, plan.data, options.batch, watch, plan.workers);
  if (progress) progress->finish();
  return comparison;
}

std::vector<std::filesystem::path> write_comparison(const Plan& plan, const Comparison& comparison,
                                                    const nlohmann::ordered_json& settings) {
  std::vector<std::string> rows, columns;
  std::vector<std::vector<at::Tensor>> cells;
  nlohmann::ordered_json sidecar = settings;
  for (const auto& runs : comparison.runs) {
    rows.push_back(solver_name(solver_of(runs.front().sampler)));
    cells.emplace_back();
    for (const ComparedRun& run : runs) {
      cells.back().push_back(cell(plan, run));
      sidecar["runs"].push_back({{"sampler", config::to_json(run.sampler)}, {"nfe", run.result.nfe}});
    }
  }
  for (const ComparedRun& run : comparison.runs.front()) columns.push_back(steps_text(run));
  rows.push_back("reference: heun, " + steps_text(comparison.reference));
  cells.emplace_back(columns.size());
  cells.back().front() = cell(plan, comparison.reference);
  sidecar["seeds"] = plan.request.seeds;

  const std::filesystem::path png = *plan.folder / "compare.png", csv = *plan.folder / "compare.csv",
                              json = *plan.folder / "compare.json";
  io::write_png(png, io::labelled_sheet(rows, columns, cells), {{"onestep", settings.dump()}});
  io::write_file_atomically(csv, comparison_csv(comparison));
  io::write_file_atomically(json, sidecar.dump(2) + "\n");
  return {png, csv, json};
}

}  // namespace onestep
