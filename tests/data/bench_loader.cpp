// SPDX-License-Identifier: Apache-2.0
// Not a test: how fast images come from the loader, as they are and augmented. Beside it:
// scripts/bench_loader.py.
//
//   bench_loader DATA.zip [SECONDS]
#include <cstdio>
#include <cstdlib>

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include "bench.h"
#include "data/augmentation.h"
#include "data/loader.h"

using namespace onestep;

namespace {

constexpr int64_t kBatch = 64;

/// A line about batches of kBatch, by `share` of augmentation, for so many seconds.
void measure(const char* what, const Dataset& data, double share, double seconds) {
  int64_t next = 0;
  Loader loader([&]() -> std::optional<Batch> {
    next += kBatch;
    return read_batch(data, 1, next - kBatch, kBatch, /*flip=*/share == 0);
  });
  const double start = bench::now(), cpu = bench::cpu_now();
  int64_t seen = 0;
  for (; bench::now() - start < seconds; seen += kBatch) {
    const Batch batch = loader.take(seen);
    augment(to_float(batch.images), share, 1, batch.indices);
  }
  const double wall = bench::now() - start;
  std::printf(
      "{\"what\": \"%s\", \"items\": %lld, \"wall_sec\": %.3f, \"cpu_sec\": %.3f, \"images_per_sec\": "
      "%.0f}\n",
      what, static_cast<long long>(seen), wall, bench::cpu_now() - cpu, static_cast<double>(seen) / wall);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "bench_loader DATA.zip [SECONDS]\n");
    return 2;
  }
  at::set_num_threads(1);
  const c10::NoGradGuard no_grad;
  const Dataset data = load_dataset(ImageFilesConfig{.path = argv[1], .labels = true, .limit = {}});
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  measure("plain", data, 0, seconds);
  measure("augmented", data, 0.12, seconds);
  return 0;
}
