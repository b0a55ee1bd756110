// SPDX-License-Identifier: Apache-2.0
// Which of a run's shards are recorded and replayed as graphs, by a stand-in for a device's graphs.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "stand_in_graphs.h"
#include "training/step_graphs.h"

using namespace onestep;
using namespace onestep::test;

namespace {

struct Report {
  at::Tensor sum;
  template <class Self, class Visit>
  static void numbers(Self& r, Visit&& visit) {
    visit(r.sum);
  }
};

Batch batch_of(int64_t first, int64_t n) {
  const at::Tensor indices = at::arange(first, first + n);
  return {.images = indices.to(at::kFloat).view({n, 1, 1, 1}),
          .condition = {at::zeros({n, 0})},
          .indices = indices,
          .nimg = first};
}

/// A run whose work multiplies the sum of a shard's images by a number of the host.
struct Run {
  std::shared_ptr<GraphCounts> counts = std::make_shared<GraphCounts>();
  StepGraphs<Report> graphs{stand_in_graphs(counts)};
  int64_t called = 0;

  double operator()(const std::string& kind, int64_t first, int64_t n = 2, double factor = 1) {
    const auto told = graphs(kind, batch_of(first, n), [this, factor](const Batch& shard) {
      ++called;
      return Report{factor * shard.images.sum()};
    });
    return told.numbers.item<double>();
  }
};

}  // namespace

TEST_CASE(
    "A kind of work is recorded when it is met for the fourth time, and replayed on the images of each "
    "shard") {
  Run run;
  for (int64_t i = 0; i < 7; ++i) {
    CHECK(run("a", 10 * i) == static_cast<double>(20 * i + 1));
    CHECK(run.counts->recorded == (i >= 3));
    CHECK(run.counts->replayed == std::max<int64_t>(0, i - 2));
  }
}

TEST_CASE("A shard of another shape, or of another key, is another kind") {
  Run run;
  for (int64_t i = 0; i < 6; ++i) {
    CHECK(run("a", i) == static_cast<double>(2 * i + 1));
    CHECK(run("a", i, 3) == static_cast<double>(3 * i + 3));
    CHECK(run("b", i, 2, 5) == static_cast<double>(5 * (2 * i + 1)));
  }
  CHECK(run.counts->recorded == 3);
  CHECK(run.counts->replayed == 9);
}

TEST_CASE("What a recording has of the host stays, so that the stand-in finds a key that lacks a number") {
  Run run;
  for (int64_t i = 0; i < 4; ++i) run("a", 0, 2, 1);
  CHECK(run("a", 0, 2, 7) == 1);  // of factor 1
}

TEST_CASE("A number that changes in every step records nothing, however long the run is") {
  Run run;
  for (int64_t i = 0; i < 1000; ++i) CHECK(run(std::to_string(i), i) == static_cast<double>(2 * i + 1));
  CHECK(run.counts->recorded == 0);
  for (int64_t i = 0; i < 5; ++i) run("a", i);
  CHECK(run.counts->recorded == 1);
}

TEST_CASE("Graphs are so many, and kinds beyond them are done as they come") {
  Run run;
  for (int64_t kind = 0; kind < 20; ++kind)
    for (int64_t i = 0; i < 5; ++i) CHECK(run(std::to_string(kind), i) == static_cast<double>(2 * i + 1));
  CHECK(run.counts->recorded == 16);
}

TEST_CASE("A result is the caller's: the next replay leaves it alone") {
  Run run;
  const auto work = [](const Batch& shard) { return Report{shard.images.sum()}; };
  for (int64_t i = 0; i < 4; ++i) run.graphs("a", batch_of(i, 2), work);
  const at::Tensor told = run.graphs("a", batch_of(10, 2), work).numbers;
  run.graphs("a", batch_of(20, 2), work);
  CHECK(told.item<double>() == 21);
}

TEST_CASE("Where work can't be recorded the run goes on without graphs, and nobody asks again") {
  int64_t asked = 0, done = 0;
  StepGraphs<Report> graphs({.rehearse = [](const kernels::Work& work) { work(); },
                             .capture = [&](const kernels::Work&) -> kernels::Work {
                               ++asked;
                               TORCH_CHECK(false, "operation not permitted when stream is capturing");
                             }});
  for (int64_t i = 0; i < 8; ++i)
    CHECK(graphs("a", batch_of(i, 2), [&](const Batch& shard) {
            ++done;
            CHECK(shard.nimg == i);
            return Report{shard.images.sum()};
          }).numbers.item<double>() == static_cast<double>(2 * i + 1));
  CHECK(asked == 1);
  CHECK(done == 8);
}

TEST_CASE("Without a maker of graphs work is done as it comes") {
  StepGraphs<Report> graphs;
  for (int64_t i = 0; i < 8; ++i)
    CHECK(graphs("a", batch_of(i, 2), [](const Batch& shard) {
            return Report{shard.images.sum()};
          }).numbers.item<double>() == static_cast<double>(2 * i + 1));
}
