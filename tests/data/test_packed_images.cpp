// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <catch2/catch.hpp>

#include "data/content_hash.h"
#include "data/dataset.h"
#include "io/image.h"
#include "io/zip_writer.h"
#include "temporary_folder.h"

using namespace onestep;

namespace {

namespace fs = std::filesystem;

/// A PNG of 4 × 5, each of which differs from the others.
std::string png(int number) {
  return io::encode_png(at::arange(60, at::kByte).view({3, 4, 5}) + number);
}

constexpr const char* kLabels = R"({"labels": [["a/0.png", 1], ["a/1.png", 0], ["b/2.png", 3]],)"
                                R"( "class_names": ["x", "", "ż", "y"]})";

void write_set(const fs::path& folder) {
  fs::create_directories(folder / "a");
  fs::create_directories(folder / "b");
  write_bytes(folder / "a/0.png", png(0));
  write_bytes(folder / "a/1.png", png(1));
  write_bytes(folder / "b/2.png", png(2));
  write_bytes(folder / "dataset.json", kLabels);
}

struct Fixture {
  const TemporaryFolder folder;
  const io::Cache cache{.folder = folder / "cache"};
  Fixture() { write_set(folder / "set"); }

  Dataset load(const fs::path& path, std::optional<int64_t> limit = {}, bool labels = true) const {
    return load_dataset(ImageFilesConfig{.path = path, .labels = labels, .limit = limit}, cache);
  }
  /// The cache's files with the number of the file on disk, which is another when it was written again.
  std::map<fs::path, std::string> kept() const {
    std::map<fs::path, std::string> files;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(cache.folder, none))
      files[entry.path()] =
          std::to_string(entry.last_write_time().time_since_epoch().count()) + read_bytes(entry.path());
    return files;
  }
};

void check_same(const Dataset& a, const Dataset& b) {
  CHECK(at::equal(a.images, b.images));
  CHECK(at::equal(a.labels, b.labels));
  CHECK(a.class_names == b.class_names);
  CHECK(content_sha256(a) == content_sha256(b));
  CHECK(statistics_of(a).mean == statistics_of(b).mean);
  CHECK(statistics_of(a).std == statistics_of(b).std);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "packed images: decoded, kept and unkept are the same set", "[packed]") {
  const Dataset plain =
      load_dataset(ImageFilesConfig{.path = folder / "set", .labels = true, .limit = {}}, {});
  CHECK_FALSE(plain.content);
  const Dataset cold = load(folder / "set");
  REQUIRE(kept().size() == 1);
  const Dataset warm = load(folder / "set");
  CHECK(kept().size() == 1);
  REQUIRE(warm.content);
  CHECK(warm.class_names.size() == 4);
  check_same(plain, cold);
  check_same(plain, warm);
  CHECK(warm.name == "set");
  // What is mapped can be written to, as what was decoded; the file does not change.
  const std::string before = kept().begin()->second;
  warm.images.fill_(7);
  check_same(plain, load(folder / "set"));
  CHECK(kept().begin()->second.substr(30) == before.substr(30));

  const Dataset unlabelled = load(folder / "set", {}, false);
  CHECK(unlabelled.class_names.empty());
  CHECK(load(folder / "set", 2).images.size(0) == 2);
  CHECK(load(folder / "set", 2).labels.size(0) == 2);
  CHECK(load(folder / "set", 2).class_names.size() == 4);  // also when it was kept
  CHECK(load(folder / "set", {}, false).class_names.empty());
  CHECK(kept().size() == 3);
}

TEST_CASE_METHOD(Fixture, "packed images: what is kept is really taken, wherever the set lies", "[packed]") {
  load(folder / "set");
  fs::rename(folder / "set", folder / "moved");
  load(folder / "moved");
  CHECK(kept().size() == 1);

  const auto zip = [&](const std::string& name, int last) {
    io::write_zip(
        folder / name,
        {{"a/0.png", png(0)}, {"a/1.png", png(1)}, {"b/2.png", png(last)}, {"dataset.json", kLabels}});
    return load(folder / name);
  };
  zip("first.zip", 2);
  CHECK(kept().size() == 2);
  check_same(zip("second.zip", 2), load(folder / "moved"));
  CHECK(kept().size() == 2);
  CHECK(zip("third.zip", 3).images[2][0][0][0].item<int64_t>() == 3);
  CHECK(kept().size() == 3);
}

TEST_CASE_METHOD(Fixture, "packed images: a file that changed, came or went makes another set", "[packed]") {
  const Dataset first = load(folder / "set");
  // The same size, and the time that it had.
  const fs::path changed = folder / "set/b/2.png";
  const auto time = fs::last_write_time(changed);
  const auto size = fs::file_size(changed);
  std::string other = png(3);
  REQUIRE(other.size() == size);
  write_bytes(changed, other);
  fs::last_write_time(changed, time);
  CHECK_FALSE(at::equal(load(folder / "set").images, first.images));
  // Labels alone.
  std::string labels = kLabels;
  labels[labels.find("1]")] = '2';
  write_bytes(folder / "set/dataset.json", labels);
  CHECK(load(folder / "set").labels[0].item<int64_t>() == 2);
  fs::rename(folder / "set/a/1.png", folder / "set/c.png");
  fs::remove(folder / "set/dataset.json");
  CHECK(load(folder / "set").images[2][0][0][0].item<int64_t>() == 1);
  fs::remove(folder / "set/c.png");
  CHECK(load(folder / "set").images.size(0) == 2);
}

TEST_CASE_METHOD(Fixture, "packed images: any damaged byte is noticed and mended", "[packed]") {
  const Dataset whole = load(folder / "set");
  const fs::path file = kept().begin()->first;
  const std::string good = read_bytes(file);
  const auto mended = [&] {
    check_same(load(folder / "set"), whole);
    return read_bytes(file) == good;
  };
  // Headers hold spaces that mean nothing: start behind the length, in steps.
  for (size_t at = 0; at < good.size(); at += 37) {
    INFO("byte " << at);
    std::string damaged = good;
    damaged[at] ^= 1;
    write_bytes(file, damaged);
    check_same(load(folder / "set"), whole);
  }
  std::string damaged = good;
  damaged.back() ^= 1;
  write_bytes(file, damaged);
  CHECK(mended());
  write_bytes(file, good.substr(0, good.size() - 1));
  CHECK(mended());
  write_bytes(file, "");
  CHECK(mended());
}
