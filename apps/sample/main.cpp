// SPDX-License-Identifier: Apache-2.0
// onestep-sample MODEL.safetensors: draws images from a model.
#include <chrono>
#include <cstdio>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "apps/sample/output.h"
#include "config/config.h"
#include "io/progress.h"
#include "io/sha256.h"

namespace onestep {
namespace {

/// What the images depend on.
nlohmann::ordered_json settings_of(const Options& options, const Plan& plan, int64_t nfe) {
  nlohmann::ordered_json settings{
      {"schema", 1},
      {"model", {{"path", options.model}, {"sha256", io::sha256_of_file(options.model)}}},
      {"sampler", config::to_json(plan.sampler)},
      {"sigmas", sigmas_of(plan.sampler)},
      {"nfe", nfe},
      {"dtype", options.dtype},
      {"versions", {{"onestep", version()}, {"libtorch", libtorch_version()}}},
  };
  if (!options.latents.empty()) settings["latents"] = options.latents;
  return settings;
}

void sample(const Options& options) {
  const int64_t threads = use_threads(options.threads);
  const Plan plan = make_plan(options);

  const auto samples = static_cast<int64_t>(plan.request.seeds.size());
  io::Progress progress("sample", samples);
  const auto start = std::chrono::steady_clock::now();
  const SampleResult result =
      generate(plan.denoiser, plan.sampler, plan.request, options.batch, [&](int64_t done) {
        if (stop_signal() != 0) throw Interrupted("interrupted, nothing was written");
        progress.update(done);
      });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  progress.finish();

  const nlohmann::ordered_json run{{"batch", options.batch},
                                   {"device", options.device},
                                   {"threads", threads},
                                   {"seconds", seconds.count()}};
  const auto written = write_output(plan, result, settings_of(options, plan, result.nfe), run);
  std::printf("%s: %lld samples, NFE %lld each, %.1f images/s\n",
              solver_name(solver_of(plan.sampler)).c_str(), static_cast<long long>(samples),
              static_cast<long long>(result.nfe), static_cast<double>(samples) / seconds.count());
  for (const auto& path : written) std::printf("%s\n", path.c_str());
}

}  // namespace
}  // namespace onestep

int main(int argc, char** argv) {
  CLI::App app(
      "Draws images from a model file: a one-step student, a diffusion teacher, an analytic mixture.",
      "onestep-sample");
  onestep::Options options;
  onestep::declare(app, options);
  return onestep::run_app(app, argc, argv, [&] { onestep::sample(options); });
}
