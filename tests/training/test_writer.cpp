// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "training/writer.h"

using onestep::Writer;

TEST_CASE("Jobs are done in order, one at a time, beside the caller") {
  std::vector<int> done;
  std::atomic<bool> may_go{false};
  Writer writer;
  writer.submit([&] {
    while (!may_go) std::this_thread::yield();
    done.push_back(0);
  });
  CHECK(done.empty());  // the caller did not wait for it
  may_go = true;
  for (int i = 1; i < 20; ++i) writer.submit([&done, i] { done.push_back(i); });
  writer.wait();
  REQUIRE(done.size() == 20);
  for (int i = 0; i < 20; ++i) CHECK(done[static_cast<size_t>(i)] == i);
}

TEST_CASE("What a job throws is thrown once, at the next call; the job that was to come is not taken") {
  bool second = false;
  Writer writer;
  writer.submit([] { throw std::runtime_error("disk full"); });
  CHECK_THROWS_WITH(writer.submit([&] { second = true; }), "disk full");
  CHECK_NOTHROW(writer.wait());
  CHECK_FALSE(second);
  writer.submit([&] { second = true; });
  writer.wait();
  CHECK(second);
}

TEST_CASE("A writer that goes waits for its job") {
  bool done = false;
  {
    Writer writer;
    writer.submit([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      done = true;
    });
  }
  CHECK(done);
}
