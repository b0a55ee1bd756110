// SPDX-License-Identifier: Apache-2.0
// No two draws of a task share random numbers: every draw of making it and of two steps is written down, with
// its seed, purpose and images.
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include <ATen/ops/ones.h>
#include <c10/util/StringUtil.h>
#include <catch2/catch.hpp>

#include "kernels/philox_core.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

/// A row of random numbers.
struct Stream {
  uint64_t seed;
  uint32_t purpose;
  int64_t index;
  auto operator<=>(const Stream&) const = default;
};

struct Record {
  std::mutex mutex;
  bool on = false;
  std::map<Stream, int64_t> draws;
} record;

/// The streams that were drawn twice while `work` ran, in words.
std::vector<std::string> drawn_twice(const std::function<void()>& work, std::set<uint32_t>* purposes) {
  record.draws.clear();
  record.on = true;
  work();
  record.on = false;
  std::set<std::string> twice;
  for (const auto& [stream, count] : record.draws) {
    if (purposes != nullptr) purposes->insert(stream.purpose);
    // A mask is the same pixels every time that something is measured, a pair's latent whenever it is met.
    if (count > 1 && stream.purpose != word(Purpose::mask) && stream.purpose != word(Purpose::pair_latent))
      twice.insert(c10::str("seed ", stream.seed, ", purpose ", stream.purpose));
  }
  return {twice.begin(), twice.end()};
}

}  // namespace

/// Every draw of noise comes through here (CMakeLists.txt: --wrap).
extern "C" void __real__ZN7onestep7kernels10philox_cpuENS0_9PhiloxLawEmjPKlllPf(kernels::PhiloxLaw, uint64_t,
                                                                                uint32_t, const int64_t*,
                                                                                int64_t, int64_t, float*);
extern "C" void __wrap__ZN7onestep7kernels10philox_cpuENS0_9PhiloxLawEmjPKlllPf(
    kernels::PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices, int64_t rows,
    int64_t row_size, float* out) {
  if (record.on) {
    const std::lock_guard lock(record.mutex);
    for (int64_t i = 0; i < rows; ++i) ++record.draws[{seed, purpose, indices[i]}];
  }
  __real__ZN7onestep7kernels10philox_cpuENS0_9PhiloxLawEmjPKlllPf(law, seed, purpose, indices, rows, row_size,
                                                                  out);
}

TEST_CASE("Every task: no two draws share a stream of random numbers") {
  const TemporaryFolder folder;
  std::set<uint32_t> purposes;
  for (const Experiment& e : experiments(folder)) {
    INFO(e.name);
    const TrainConfig config = config_of(folder.path(), e.task, "images: 64, batch: 16");
    CHECK(drawn_twice(
              [&] {
                Task task = ready_task(
                    config.task, {.run = config.run, .device = at::kCPU, .data = e.data, .provenance = {}});
                task.step(step_of(read_batch(e.data, config.run.seed, 0, 16, false), shard_size(config.run)));
                task.step(
                    step_of(read_batch(e.data, config.run.seed, 16, 16, false), shard_size(config.run)));
              },
              &purposes) == std::vector<std::string>{});
  }
  for (const Purpose purpose :
       {Purpose::sigma, Purpose::noise, Purpose::initial_weights, Purpose::dropout, Purpose::label_dropout,
        Purpose::student_sigma, Purpose::student_noise, Purpose::real_noise, Purpose::student_latent,
        Purpose::student_step, Purpose::student_renoise, Purpose::perturbation, Purpose::pair_latent,
        Purpose::measurement, Purpose::mask, Purpose::particle_start}) {
    INFO(word(purpose));
    CHECK(purposes.contains(word(purpose)));
  }
}

TEST_CASE("A random mask hides pixels by a stream of its own") {
  const MeasurementConfig mask = MaskOperator{.shape = "random", .share = 0.5, .seed = 5};
  std::set<uint32_t> purposes;
  drawn_twice([&] { measure(mask, at::ones({1, 1, 8, 8})); }, &purposes);
  CHECK(purposes == std::set<uint32_t>{word(Purpose::mask)});
}

TEST_CASE("Streams that are shared are found") {
  const auto draw = [](uint64_t seed, Purpose purpose, int64_t first) {
    kernels::philox_normal(seed, word(purpose), at::arange(first, first + 4), {2}, at::kCPU);
  };
  CHECK(
      drawn_twice([&] { draw(1, Purpose::noise, 0), draw(1, Purpose::sigma, 0), draw(2, Purpose::noise, 0); },
                  nullptr)
          .empty());
  CHECK(drawn_twice([&] { draw(1, Purpose::noise, 0), draw(1, Purpose::noise, 3); }, nullptr).size() == 1);
}
