// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <catch2/catch.hpp>

#include "parallel/workers.h"

using namespace onestep;

TEST_CASE("Every item is done once, by one of the workers") {
  for (const Workers& workers : {Workers(), Workers(1), Workers(3)}) {
    for (const int64_t items : {0, 1, 2, 100}) {
      std::mutex mutex;
      std::multiset<int64_t> done;
      std::set<std::thread::id> threads;
      workers.for_each(items, [&](int64_t item, int64_t worker) {
        const std::lock_guard lock(mutex);
        done.insert(item);
        threads.insert(std::this_thread::get_id());
        if (worker < 0 || worker >= workers.count()) throw std::runtime_error("no such worker");
      });
      CHECK(done.size() == static_cast<size_t>(items));
      for (int64_t i = 0; i < items; ++i) CHECK(done.count(i) == 1);
      CHECK(threads.size() <= static_cast<size_t>(workers.count()));
    }
  }
}

TEST_CASE("No two items are with one worker at once, and several workers are at work together") {
  const Workers workers(2);
  std::atomic<int> inside[2] = {0, 0};
  std::atomic<int> together = 0;
  std::atomic<bool> clash = false;
  workers.for_each(2, [&](int64_t, int64_t worker) {
    if (++inside[worker] > 1) clash = true;
    ++together;
    while (together < 2) std::this_thread::yield();  // neither ends before the other has begun
    --inside[worker];
  });
  CHECK_FALSE(clash);
}

TEST_CASE("Workers have the intra-op threads that they were made with, and the caller keeps its own") {
  const int before = at::get_num_threads();
  std::atomic<int> seen = 0;
  Workers(2, 3).for_each(4, [&](int64_t, int64_t) { seen = at::get_num_threads(); });
  CHECK(seen == 3);
  CHECK(at::get_num_threads() == before);
}

TEST_CASE("Workers have the caller's grad mode") {
  const Workers workers(2);
  const auto enabled = [&] {
    std::atomic<int> count = 0;
    workers.for_each(8, [&](int64_t, int64_t) { count += c10::GradMode::is_enabled(); });
    return count.load();
  };
  CHECK(enabled() == 8);
  {
    const c10::NoGradGuard no_grad;
    CHECK(enabled() == 0);
  }
  CHECK(enabled() == 8);
}

TEST_CASE("The lowest failure reaches the caller, and the workers go on to work") {
  const Workers workers(2);
  std::atomic<int> begun = 0;
  const auto fail = [&](int64_t item, int64_t) {
    ++begun;
    if (item >= 3) throw std::runtime_error("item " + std::to_string(item));
  };
  CHECK_THROWS_WITH(workers.for_each(1000, fail), "item 3");
  CHECK(begun < 20);
  int64_t done = 0;
  workers.for_each(1, [&](int64_t, int64_t) { ++done; });
  CHECK(done == 1);
  CHECK_THROWS_WITH(Workers().for_each(5, fail), "item 3");
}

TEST_CASE("An item that asks the workers again gets its answer in its own thread") {
  const Workers workers(2);
  std::atomic<int> inner = 0;
  std::atomic<bool> elsewhere = false;
  workers.for_each(4, [&](int64_t, int64_t worker) {
    const auto self = std::this_thread::get_id();
    workers.for_each(3, [&](int64_t, int64_t again) {
      ++inner;
      if (again != worker || std::this_thread::get_id() != self) elsewhere = true;
    });
    Workers().for_each(1, [&](int64_t, int64_t again) {
      if (again != 0) elsewhere = true;
    });
  });
  CHECK(inner == 12);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("Several callers share one pool, one after the other") {
  const Workers workers(2);
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i)
      callers.emplace_back([&] { workers.for_each(50, [&](int64_t, int64_t) { ++done; }); });
  }
  CHECK(done == 200);
}

TEST_CASE("No pool of no threads") {
  CHECK_THROWS_WITH(Workers(0), Catch::Contains("at least 1"));
  CHECK_THROWS_WITH(Workers(1, 0), Catch::Contains("at least 1"));
}
