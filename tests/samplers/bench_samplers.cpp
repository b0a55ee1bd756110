// SPDX-License-Identifier: Apache-2.0
// bench_samplers MODEL [threads] [batch] [steps] [repeats]: images/s of solvers, and the share of a run's
// time that is not the denoiser's. Medians over the repeats. Beside it: scripts/bench_samplers.py.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>

#include "apps/common/process.h"
#include "networks/denoiser.h"
#include "noise/sigma_grid.h"
#include "samplers/integrate.h"
#include "samplers/seeds.h"
#include "samplers/solver_names.h"

using namespace onestep;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, int64_t standard) { return argc > i ? std::atoll(argv[i]) : standard; };
  if (argc < 2) return std::puts("bench_samplers MODEL [threads] [batch] [steps] [repeats]"), 2;
  prepare_process();
  use_threads(number(2, 1));
  const int64_t batch = number(3, 64), steps = number(4, 10), repeats = number(5, 5);
  const Denoiser denoiser = load_denoiser(argv[1], at::kCPU);
  const auto [channels, height, width] = image_shape(denoiser);
  const std::vector<int64_t> seeds = consecutive_seeds(0, batch), shape{channels, height, width};
  at::Tensor labels;
  if (const int64_t classes = label_dim(denoiser); classes > 0) {
    labels = at::zeros({batch, classes});
    for (int64_t i = 0; i < batch; ++i) labels[i][i % classes] = 1;
  }
  const std::vector<double> sigmas = sigma_grid({}, steps);
  const at::Tensor start = sigmas[0] * latents_from_seeds(seeds, shape).to(at::kDouble);

  for (const char* name :
       {"euler", "heun", "dpmpp2m", "unipc2", "ab4", "hb3.8", "ghvb3.8", "lms4", "euler_ancestral"}) {
    const Solver solver = parse_solver(name);
    std::vector<double> seconds, shares;
    for (int64_t repeat = 0; repeat <= repeats; ++repeat) {
      double inside = 0;
      const Denoise timed = [&](const at::Tensor& x, double sigma) {
        const double begin = now();
        at::Tensor d = denoise(denoiser, x.to(at::kFloat), at::scalar_tensor(sigma, at::kFloat), labels);
        inside += now() - begin;
        return d;
      };
      History history;
      history.noise = [&](int64_t step, int64_t draw) {
        return noise_from_seeds(seeds, step, draw, shape).to(at::kDouble);
      };
      const double begin = now();
      integrate(solver, timed, start, sigmas, history);
      const double all = now() - begin;
      if (repeat == 0) continue;  // warms up
      seconds.push_back(all);
      shares.push_back(1 - inside / all);
    }
    std::printf("%-16s %8.1f images/s, outside the denoiser %.2f %%\n", name,
                static_cast<double>(batch) / median(seconds), 100 * median(shares));
  }
}
