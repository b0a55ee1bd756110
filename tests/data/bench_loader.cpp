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

/// Images per second through batches of kBatch, by `share` of augmentation.
double images_per_second(const Dataset& data, double share, double seconds) {
  int64_t next = 0;
  Loader loader([&]() -> std::optional<Batch> {
    next += kBatch;
    return read_batch(data, 1, next - kBatch, kBatch, /*flip=*/share == 0);
  });
  const double start = bench::now();
  int64_t seen = 0;
  for (; bench::now() - start < seconds; seen += kBatch) {
    const Batch batch = loader.take(seen);
    augment(batch.images, share, 1, batch.indices);
  }
  return static_cast<double>(seen) / (bench::now() - start);
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
  std::printf("{\"plain\": %.0f, \"augmented\": %.0f}\n", images_per_second(data, 0, seconds),
              images_per_second(data, 0.12, seconds));
  return 0;
}
