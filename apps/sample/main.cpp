// SPDX-License-Identifier: Apache-2.0
// onestep-sample MODEL.safetensors: draws images from a model.
#include <chrono>
#include <cstdio>

#include "apps/common/process.h"
#include "apps/common/ranks.h"
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
#include "networks/model_codec.h"
#include "parallel/together.h"
#include "samplers/magnitude_score.h"
#include "samplers/sample_by_ranks.h"

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
      {"precision", plan.precision},
      {"versions", {{"onestep", version()}, {"libtorch", libtorch_version()}}},
  };
  if (!plan.guide.empty()) settings["guide"] = file(plan.guide);
  if (!options.latents.empty()) settings["latents"] = file(options.latents);
  if (const std::string sha256 = content_sha256(plan.codec); !sha256.empty())
    settings["decoder"] = {{"path", config::printable(options.decoder)}, {"sha256", sha256}};
  return settings;
}

void print_paths(const std::vector<std::filesystem::path>& paths) {
  for (const auto& path : paths) std::printf("%s\n", config::printable(path.string()).c_str());
}

void sample(const Options& options, const Plan& plan) {
  const auto samples = static_cast<int64_t>(plan.request.seeds.size());
  nlohmann::ordered_json settings;
  together(plan.ranks, [&] { settings = settings_of(options, plan); });
  const SampleRequest& request = plan.request;
  Facts facts{{"what is drawn", nlohmann::json{{"seeds", request.seeds},
                                               {"classes", request.classes},
                                               {"batch", options.batch},
                                               {"stop_after", request.stop_after},
                                               {"trajectory", request.trajectory}}
                                    .dump()}};
  for (const auto& [name, value] : settings.items()) facts.emplace_back(name, value.dump());
  agree(plan.ranks, facts_of_process(plan.device, facts));
  connect_device(plan.ranks, plan.device);
  together(plan.ranks, [&] {
    if (plan.folder && is_first(plan.ranks)) require_same_run(*plan.folder, settings, plan.subdirs);
  });
  io::Progress progress("sample", samples);
  const auto start = std::chrono::steady_clock::now();
  const SampleWatch watch = [&](int64_t done) {
    if (stop_signal() != 0) throw Interrupted("interrupted, nothing was written");
    progress.update(done);
  };
  const SampleResult result = generate_by_ranks(plan.ranks, plan.denoiser, plan.sampler, plan.request,
                                                options.batch, watch, plan.workers);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  progress.finish();
  if (!is_first(plan.ranks)) return;

  settings["nfe"] = result.nfe;
  nlohmann::ordered_json run{{"batch", options.batch},
                             {"device", options.device},
                             {"threads", plan.workers.count()},
                             {"ranks", plan.ranks.size},
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
  const Communicator ranks = join_ranks(options.ranks, options.device);
  Plan plan;
  together(ranks, [&] {
    if (ranks.size > 1 && !options.compare.empty())
      throw config::ConfigError("--compare is the work of one process, without --ranks");
    plan = make_plan(options, ranks);
  });
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
