// SPDX-License-Identifier: Apache-2.0
// bench_samplers MODEL: images/s of solvers, and the share of a run's time
// that is not the denoiser's. Medians over the repeats. Beside it: scripts/bench_samplers.py.
#include <cstdio>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <CLI/CLI.hpp>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "bench.h"
#include "networks/denoiser.h"
#include "noise/sigma_grid.h"
#include "samplers/integrate.h"
#include "samplers/seeds.h"
#include "samplers/solver_names.h"

using namespace onestep;

namespace {

struct Options {
  std::string model, device = "cpu";
  std::vector<std::string> solvers{"euler", "heun",    "dpmpp2m", "unipc2",         "ab4",
                                   "hb3.8", "ghvb3.8", "lms4",    "euler_ancestral"};
  int64_t threads = 1, batch = 64, steps = 10, repeats = 5;
  bool tf32 = false, json = false;
};

void run(const Options& o) {
  use_threads(o.threads);
  const at::Device device = open_device(o.device);
  bench::allow_tf32(o.tf32);
  const Denoiser denoiser = load_denoiser(o.model, device);
  const auto [channels, height, width] = image_shape(denoiser);
  const std::vector<int64_t> seeds = consecutive_seeds(0, o.batch), shape{channels, height, width};
  at::Tensor labels;
  if (const int64_t classes = label_dim(denoiser); classes > 0) {
    labels = at::zeros({o.batch, classes});
    for (int64_t i = 0; i < o.batch; ++i) labels[i][i % classes] = 1;
    labels = labels.to(device);
  }
  const std::vector<double> sigmas = sigma_grid({}, o.steps);
  const at::Tensor start = sigmas[0] * latents_from_seeds(seeds, shape).to(device, at::kDouble);
  const c10::NoGradGuard no_grad;

  for (const std::string& name : o.solvers) {
    const Solver solver = parse_solver(name);
    bench::Timed whole;
    std::vector<double> shares;
    int64_t calls = 0;
    for (int64_t repeat = 0; repeat <= o.repeats; ++repeat) {
      double inside = 0;
      calls = 0;
      const Denoise timed = [&](const at::Tensor& x, double sigma) {
        at::Tensor d;
        ++calls;
        inside += bench::seconds(device, [&] {
          const auto options = x.options().dtype(at::kFloat);
          d = denoise(denoiser, x.to(at::kFloat), at::scalar_tensor(sigma, options), Condition{labels});
        });
        return d;
      };
      History history;
      history.noise = [&](int64_t step, int64_t draw) {
        return noise_from_seeds(seeds, step, draw, shape).to(device, at::kDouble);
      };
      if (repeat == 1) whole = {};  // the first one warms up
      whole(device, [&] { integrate(solver, timed, start, sigmas, history); });
      if (repeat > 0) shares.push_back(1 - inside / whole.wall.back());
    }
    const double rate = static_cast<double>(o.batch) / bench::median(whole.wall),
                 outside = bench::median(shares);
    if (!o.json) {
      std::printf("%-16s %8.1f images/s, outside the denoiser %.2f %%\n", name.c_str(), rate, 100 * outside);
      continue;
    }
    auto line = bench::figures<nlohmann::ordered_json>(name, static_cast<double>(o.batch), whole);
    line.update({{"gflop", 2e-9 * static_cast<double>(pass_cost(denoiser).macs * calls * o.batch)},
                 {"device", o.device},
                 {"batch", o.batch},
                 {"steps", o.steps},
                 {"tf32", o.tf32},
                 {"images_per_sec", rate},
                 {"outside_denoiser", outside}});
    if (const auto peak = bench::peak_mib(device)) line["peak_mib"] = *peak;
    std::printf("%s\n", line.dump().c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times solvers, and the denoiser's calls in them.", "bench_samplers");
  Options o;
  app.add_option("model", o.model, "model file")->required();
  app.add_option("--solvers", o.solvers, "which ones")->delimiter(',');
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads")->capture_default_str();
  app.add_option("--batch", o.batch, "images at once")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--steps", o.steps, "steps, including the one to noise level 0")->capture_default_str();
  app.add_option("--repeats", o.repeats, "runs of each; the median counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--tf32", o.tf32, "let a GPU round what products read to TF32");
  app.add_flag("--json", o.json, "print a line of JSON for each");
  return run_app(app, argc, argv, [&] { run(o); });
}
