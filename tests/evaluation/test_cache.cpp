// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <catch2/catch.hpp>

#include "evaluation/cache.h"
#include "io/safetensors.h"
#include "temporary_folder.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

/// Counts how often it has to work.
struct Work {
  int calls = 0;
  NamedArrays operator()(double value, int64_t size = 4) {
    ++calls;
    return {{"x", at::full({size}, value, at::kFloat)}};
  }
};

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

TEST_CASE("a cache computes once for each description") {
  const TemporaryFolder folder;
  const Cache cache{.folder = folder / "deep" / "cache"};
  Work work;
  const Cached first = cached(cache, "a", [&] { return work(1); });
  const Cached again = cached(cache, "a", [&] { return work(2); });
  const Cached other = cached(cache, "b", [&] { return work(3); });
  CHECK(work.calls == 2);
  CHECK_FALSE(first.hit);
  CHECK(again.hit);
  CHECK_FALSE(other.hit);
  CHECK(at::equal(again.arrays.at("x"), first.arrays.at("x")));
  CHECK(other.arrays.at("x")[0].item<float>() == 3.0f);
}

TEST_CASE("without a folder nothing is kept") {
  Work work;
  for (int i = 0; i < 2; ++i) CHECK_FALSE(cached({}, "a", [&] { return work(1); }).hit);
  CHECK(work.calls == 2);
}

TEST_CASE("a damaged or foreign file in the cache is computed anew") {
  const TemporaryFolder folder;
  const Cache cache{.folder = folder / "cache"};
  Work work;
  cached(cache, "a", [&] { return work(1); });
  const fs::path file = files_in(cache.folder).at(0);
  const std::string whole = read_bytes(file);
  const auto recomputed = [&] {
    const Cached result = cached(cache, "a", [&] { return work(1); });
    return !result.hit && cached(cache, "a", [&] { return work(1); }).hit;
  };
  write_bytes(file, whole.substr(0, whole.size() - 3));
  CHECK(recomputed());
  std::string flipped = whole;
  flipped.back() ^= 1;
  write_bytes(file, flipped);
  CHECK(recomputed());
  io::write_safetensors(file, {{"x", at::full({4}, 9.0)}},
                        {{"onestep.cache", "b"}});  // whole, of another description
  CHECK(recomputed());
}

TEST_CASE("a full cache forgets what was used least lately") {
  const TemporaryFolder folder;
  Cache cache{.folder = folder / "cache"};
  Work work;
  const auto ask = [&](const std::string& what) {
    return cached(cache, what, [&] { return work(1, 1000); }).hit;
  };
  ask("old"), ask("used"), ask("middle");
  // File times may be coarse: set them apart.
  const auto now = fs::file_time_type::clock::now();
  for (const fs::path& file : files_in(cache.folder)) fs::last_write_time(file, now - std::chrono::hours(2));
  CHECK(ask("used"));          // renews its time
  cache.max_bytes = 3 * 4000;  // three files need more, for their headers
  CHECK_FALSE(ask("new"));
  CHECK(files_in(cache.folder).size() == 2);
  CHECK(ask("used"));
  CHECK(ask("new"));
  cache.max_bytes = 1;  // too small for anything: the newest stays
  CHECK_FALSE(ask("huge"));
  CHECK(files_in(cache.folder).size() == 1);
}

TEST_CASE("a cache that cannot be written to costs time only") {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "");
  Work work;
  std::string complaint;
  const Cached result = cached(
      {.folder = folder / "file" / "cache"}, "a", [&] { return work(1); },
      [&](const std::string& text) { complaint = text; });
  CHECK(result.arrays.at("x")[0].item<float>() == 1.0f);
  CHECK_THAT(complaint, Catch::Contains("cache"));
}

}  // namespace
}  // namespace onestep
