// SPDX-License-Identifier: Apache-2.0
// onestep-sample MODEL.safetensors: draws images from a model.
#include <chrono>
#include <cstdio>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "apps/sample/compare.h"
#include "apps/sample/output.h"
#include "apps/sample/sample_folder.h"
#include "apps/sample/stability.h"
#include "config/config.h"
#include "config/printable.h"
#include "io/progress.h"
#include "io/sha256.h"
#include "samplers/magnitude_score.h"

namespace onestep {
namespace {

/// What the images depend on.
nlohmann::ordered_json settings_of(const Options& options, const Plan& plan) {
  const auto file = [](const std::string& path) {
    return nlohmann::ordered_json{{"path", config::printable(path)}, {"sha256", io::sha256_of_file(path)}};
  };
  nlohmann::ordered_json settings{
      {"schema", 1},
      {"model", file(options.model)},
      {"sampler", config::to_json(plan.sampler)},
      {"sigmas", sigmas_of(plan.sampler)},
      {"dtype", plan.dtype},
      {"versions", {{"onestep", version()}, {"libtorch", libtorch_version()}}},
  };
  if (!plan.guide.empty()) settings["guide"] = file(plan.guide);
  if (!options.latents.empty()) settings["latents"] = file(options.latents);
  return settings;
}

void print_paths(const std::vector<std::filesystem::path>& paths) {
  for (const auto& path : paths) std::printf("%s\n", config::printable(path.string()).c_str());
}

void sample(const Options& options, const Plan& plan) {
  const auto samples = static_cast<int64_t>(plan.request.seeds.size());
  nlohmann::ordered_json settings = settings_of(options, plan);
  if (plan.folder) require_same_run(*plan.folder, settings, plan.subdirs);
  io::Progress progress("sample", samples);
  const auto start = std::chrono::steady_clock::now();
  const SampleWatch watch = [&](int64_t done) {
    if (stop_signal() != 0) throw Interrupted("interrupted, nothing was written");
    progress.update(done);
  };
  const SampleResult result =
      generate(plan.denoiser, plan.sampler, plan.request, options.batch, watch, plan.workers);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  progress.finish();

  settings["nfe"] = result.nfe;
  nlohmann::ordered_json run{{"batch", options.batch},
                             {"device", options.device},
                             {"threads", plan.workers.count()},
                             {"seconds", seconds.count()}};
  std::string score;
  if (plan.data && plan.request.stop_after == 0) {
    const double magnitude = magnitude_scores(result.samples, *plan.data).mean().item<double>();
    run["magnitude_score"] = magnitude;
    score = ", magnitude score " + std::to_string(magnitude);
  }
  const auto written = write_output(plan, result, settings, run);
  std::printf("%s: %lld samples, NFE %lld each, %.1f images/s%s\n",
              solver_name(solver_of(plan.sampler)).c_str(), static_cast<long long>(samples),
              static_cast<long long>(result.nfe), static_cast<double>(samples) / seconds.count(),
              score.c_str());
  print_paths(written);
}

void compare_samplers(const Options& options, const Plan& plan) {
  const Comparison comparison = run_comparison(options, plan);
  const auto written = write_comparison(plan, comparison, settings_of(options, plan));
  std::printf("%s", comparison_csv(comparison).c_str());
  print_paths(written);
}

void run(const Options& options) {
  const Plan plan = make_plan(options);
  if (options.compare.empty()) {
    sample(options, plan);
  } else {
    compare_samplers(options, plan);
  }
}

}  // namespace
}  // namespace onestep

int main(int argc, char** argv) {
  CLI::App app(
      "Draws images from a model file: a one-step student, a diffusion teacher, an analytic mixture.",
      "onestep-sample");
  onestep::Options options;
  onestep::declare(app, options);
  onestep::add_stability(app);
  return onestep::run_app(app, argc, argv, [&] { onestep::run(options); });
}
