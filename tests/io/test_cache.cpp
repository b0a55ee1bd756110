// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <catch2/catch.hpp>

#include "io/cache.h"
#include "io/safetensors.h"
#include "temporary_folder.h"

namespace onestep::io {
namespace {

namespace fs = std::filesystem;

bool holds_x(const NamedArrays& arrays) {
  return arrays.size() == 1 && arrays.contains("x") &&
         has_array(arrays, "x", at::kFloat, arrays.at("x").sizes());
}

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
  const Cached first = cached(cache, "a", holds_x, [&] { return work(1); });
  const Cached again = cached(cache, "a", holds_x, [&] { return work(2); });
  const Cached other = cached(cache, "b", holds_x, [&] { return work(3); });
  CHECK(work.calls == 2);
  CHECK_FALSE(first.hit);
  CHECK(again.hit);
  CHECK_FALSE(other.hit);
  CHECK(at::equal(again.arrays.at("x"), first.arrays.at("x")));
  CHECK(other.arrays.at("x")[0].item<float>() == 3.0f);
}

TEST_CASE("without a folder nothing is kept") {
  Work work;
  for (int i = 0; i < 2; ++i) CHECK_FALSE(cached({}, "a", holds_x, [&] { return work(1); }).hit);
  CHECK(work.calls == 2);
}

TEST_CASE("a damaged or foreign file in the cache is computed anew") {
  const TemporaryFolder folder;
  const Cache cache{.folder = folder / "cache"};
  Work work;
  cached(cache, "a", holds_x, [&] { return work(1); });
  const fs::path file = files_in(cache.folder).at(0);
  const std::string whole = read_bytes(file);
  std::string complaint;
  const auto ask = [&] {
    return cached(
        cache, "a", holds_x, [&] { return work(1); }, [&](const std::string& text) { complaint = text; });
  };
  const auto recomputed = [&] {
    complaint.clear();
    const bool told = !ask().hit && complaint.starts_with(file.string());
    complaint.clear();
    return told && ask().hit && complaint.empty();
  };
  write_bytes(file, whole.substr(0, whole.size() - 3));
  CHECK(recomputed());
  std::string flipped = whole;
  flipped.back() ^= 1;
  write_bytes(file, flipped);
  CHECK(recomputed());
  write_safetensors(file, {{"x", at::full({4}, 9.0)}},
                    {{"onestep.cache", "b"}});  // whole, of another description
  CHECK(recomputed());
}

TEST_CASE("a whole file of other arrays in the cache is computed anew") {
  const TemporaryFolder folder;
  const Cache cache{.folder = folder / "cache"};
  Work work;
  const auto four = [](const NamedArrays& arrays) { return has_array(arrays, "x", at::kFloat, {4}); };
  const auto ask = [&] { return cached(cache, "a", four, [&] { return work(1); }); };
  ask();
  const fs::path file = files_in(cache.folder).at(0);
  const at::Tensor x = at::full({4}, 1.0, at::kFloat);
  at::Tensor nan = x.clone();
  nan[2] = std::nanf("");
  for (const auto& [name, array] : std::vector<std::pair<std::string, at::Tensor>>{
           {"y", x}, {"x", x.view({2, 2})}, {"x", x.slice(0, 1)}, {"x", x.view(at::kInt)}, {"x", nan}}) {
    INFO(name << " " << array);
    write_safetensors(file, {{name, array}}, {{"onestep.cache", "a"}});
    const Cached result = ask();
    CHECK_FALSE(result.hit);
    CHECK(at::equal(result.arrays.at("x"), x));
    CHECK(ask().hit);
  }
}

TEST_CASE("files that the cache did not make are neither counted nor removed") {
  const TemporaryFolder folder;
  const Cache cache{.folder = folder / "cache", .max_bytes = 5000};
  fs::create_directories(cache.folder);
  const std::string hash(64, 'a');
  const std::vector<std::pair<std::string, at::Tensor>> tensors{{"x", at::full({1000}, 1.0, at::kFloat)}};
  const std::map<std::string, std::string> ours{{"onestep.cache", "z"}};
  const auto plant = [&](const std::string& name, const std::map<std::string, std::string>& metadata) {
    write_safetensors(cache.folder / name, tensors, metadata);
    fs::last_write_time(cache.folder / name, fs::file_time_type::clock::now() - std::chrono::hours(2));
  };
  plant("model.safetensors", {});                      // a user's
  plant(hash + ".safetensors", {});                    // named by its hash, but of no cache
  plant("copy.safetensors", ours);                     // the cache's content under another name
  plant(std::string(64, 'A') + ".safetensors", ours);  // upper case
  plant(std::string(63, 'b') + ".safetensors", ours);  // too short
  plant(std::string(64, 'c') + ".bin", ours);          // another suffix
  plant("target", ours);
  write_bytes(cache.folder / (std::string(64, 'd') + ".safetensors"), "no tensors");
  fs::create_symlink("target", cache.folder / (std::string(64, 'e') + ".safetensors"));
  const size_t foreign = files_in(cache.folder).size();
  plant(std::string(64, 'f') + ".safetensors", ours);
  Work work;
  const auto ask = [&](const std::string& what) {
    return cached(cache, what, holds_x, [&] { return work(1, 1000); }).hit;
  };
  ask("a");
  CHECK(files_in(cache.folder).size() == foreign + 1);  // the one of its own that was there made room
  CHECK(ask("a"));                                      // and this one fits, whatever the others take
  ask("b");
  CHECK(files_in(cache.folder).size() == foreign + 1);
  CHECK_FALSE(fs::exists(cache.folder / (std::string(64, 'f') + ".safetensors")));
}

TEST_CASE("a link under a name of the cache's is neither read nor written through") {
  const TemporaryFolder folder;
  const Cache cache{.folder = folder / "cache"};
  Work work;
  std::string complaint;
  const auto ask = [&] {
    return cached(
        cache, "a", holds_x, [&] { return work(1); }, [&](const std::string& text) { complaint = text; });
  };
  ask();
  const fs::path file = files_in(cache.folder).at(0);
  fs::rename(file, folder / "precious");
  fs::create_symlink(folder / "precious", file);
  const std::string before = read_bytes(folder / "precious");
  CHECK_FALSE(ask().hit);
  CHECK_THAT(complaint, Catch::Contains("is a link"));
  CHECK(read_bytes(folder / "precious") == before);
}

TEST_CASE("a full cache forgets what was used least lately") {
  const TemporaryFolder folder;
  Cache cache{.folder = folder / "cache"};
  Work work;
  const auto ask = [&](const std::string& what) {
    return cached(cache, what, holds_x, [&] { return work(1, 1000); }).hit;
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
      {.folder = folder / "file" / "cache"}, "a", holds_x, [&] { return work(1); },
      [&](const std::string& text) { complaint = text; });
  CHECK(result.arrays.at("x")[0].item<float>() == 1.0f);
  CHECK_THAT(complaint, Catch::Contains("cache"));
}

}  // namespace
}  // namespace onestep::io
