// SPDX-License-Identifier: Apache-2.0
// bench_metrics root D | neighbours N D: seconds, CPU seconds and peak memory of the two costly steps of an
// evaluation, in one line of JSON. Beside it: scripts/bench_metrics.py.
// bench_metrics inception N [DEVICE] [tf32]: images/s of the Inception network on N images at once, one line
// of JSON. Beside it: scripts/bench_torch.py --work inception.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/resource.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include "apps/common/process.h"
#include "bench.h"
#include "evaluation/frechet.h"
#include "evaluation/neighbours.h"
#include "evaluation/random_features.h"
#include "networks/inception.h"
#include "networks/inception_rule.h"

namespace onestep {
namespace {

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

template <class Work>
void time(const char* what, const Work& work) {
  const double memory = peak_mib();
  bench::Timed timed;
  double result = 0;
  timed(at::kCPU, [&] { result = work(); });
  std::printf(
      "{\"what\": \"%s\", \"items\": 1, \"wall_sec\": %.3f, \"cpu_sec\": %.3f, \"peak_mib\": %.0f, "
      "\"mib_before\": "
      "%.0f, \"result\": %.10g}\n",
      what, timed.wall[0], timed.cpu[0], peak_mib(), memory, result);
}

/// Features whose variances fall as those of networks do.
at::Tensor features(uint64_t seed, int64_t n, int64_t d) {
  return normal_features(seed, n, d) / (at::arange(d, at::kDouble) + 1.0).sqrt();
}

void bench_root(int64_t d) {
  const Moments a = moments_of(features(1, 2 * d, d)), b = moments_of(features(2, 2 * d, d));
  time("root", [&] { return frechet_distance(fit_gaussian(a), fit_gaussian(b)).value; });
}

void bench_neighbours(int64_t n, int64_t d) {
  const at::Tensor a = features(1, n, d).to(at::kFloat), b = features(2, n, d).to(at::kFloat);
  time("neighbours", [&] { return manifold(neighbourhood(a, b)).precision.value; });
}

/// From uint8 images of 32 × 32 on the device: resize, then the network.
void bench_inception(int64_t n, const std::string& device_name, bool tf32) {
  const at::Device device = open_device(device_name);
  bench::allow_tf32(tf32);
  const Inception folded = fold_batch_norm(test::rule_inception(1));
  const Inception network = device.is_cpu() ? pack_for_cpu(folded) : clone(folded, device);
  const at::Tensor pixels = normal_features(1, n, 3 * 32 * 32) * 40.0 + 128.0;
  const at::Tensor images = pixels.clamp(0, 255).to(at::kByte).reshape({n, 3, 32, 32}).to(device);
  std::vector<double> times;
  for (int repeat = 0; repeat <= 5; ++repeat) {
    const double time = bench::seconds(device, [&] { inception(network, images); });
    if (repeat > 0) times.push_back(time);  // the first one warms up
  }
  std::printf("{\"device\": \"%s\", \"batch\": %lld, \"tf32\": %s, \"images_per_sec\": %.1f",
              device_name.c_str(), static_cast<long long>(n), tf32 ? "true" : "false",
              static_cast<double>(n) / bench::median(times));
  if (const auto peak = bench::peak_mib(device)) std::printf(", \"peak_mib\": %.0f", *peak);
  std::printf("}\n");
}

}  // namespace
}  // namespace onestep

int main(int argc, char** argv) try {
  onestep::prepare_process();
  onestep::use_threads(0);
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "root" && argc == 3)
    onestep::bench_root(std::atoll(argv[2]));
  else if (what == "neighbours" && argc == 4)
    onestep::bench_neighbours(std::atoll(argv[2]), std::atoll(argv[3]));
  else if (what == "inception" && argc >= 3 && argc <= 5)
    onestep::bench_inception(std::atoll(argv[2]), argc > 3 ? argv[3] : "cpu", argc > 4);
  else
    return std::fprintf(stderr,
                        "usage: bench_metrics root D | neighbours N D | inception N [DEVICE] [tf32]\n"),
           2;
} catch (const c10::Error& error) {
  return std::fprintf(stderr, "bench_metrics: %s\n", error.what_without_backtrace()), 1;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "bench_metrics: %s\n", error.what()), 1;
}
