// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <catch2/catch.hpp>

#include "data/content_hash.h"
#include "data/dataset.h"
#include "idx_file.h"

using namespace onestep;

namespace {

/// Three images of 2 x 4 with labels 0, 1, 2.
Dataset small_set() {
  return {.name = "small",
          .images = at::arange(24, at::kByte).view({3, 1, 2, 4}).clone(),
          .labels = at::arange(3, at::kLong),
          .class_names = {"0", "1", "2"},
          .density = {}};
}

}  // namespace

TEST_CASE("content hash: the same content under another path, name and packing", "[content_hash]") {
  const TemporaryFolder folder;
  const std::string images = idx_bytes({3, 2, 4}, std::string("abcdefghijklmnopqrstuvwx"));
  const std::string labels = idx_bytes({3}, std::string("\0\1\2", 3));
  for (const char* name : {"first", "second"}) {
    write_gz(folder / (std::string(name) + "-images"), images);
    write_gz(folder / (std::string(name) + "-labels"), labels);
  }
  const auto hash_of = [&](const std::string& name, int64_t classes) {
    return content_sha256(load_dataset(IdxConfig{.images = (folder / (name + "-images")).string(),
                                                 .labels = (folder / (name + "-labels")).string(),
                                                 .classes = classes,
                                                 .limit = {}}));
  };
  CHECK(hash_of("first", 3).size() == 64);
  CHECK(hash_of("first", 3) == hash_of("second", 3));
  CHECK(hash_of("first", 3) != hash_of("first", 4));
  Dataset named = small_set();
  named.name = "another";
  named.class_names[0] = "zero";
  CHECK(content_sha256(named) == content_sha256(small_set()));
  // A set that was cut out of another is what it looks like, not what lies in memory.
  named.images = at::arange(48, at::kByte).view({3, 1, 2, 8}).slice(3, 0, 4);
  Dataset packed = named;
  packed.images = named.images.clone();
  CHECK(content_sha256(named) == content_sha256(packed));
}

TEST_CASE("content hash: a pixel, a label, the shape or the dtype makes another set", "[content_hash]") {
  const std::string hash = content_sha256(small_set());
  Dataset data = small_set();
  data.images[2][0][1][3] += 1;
  CHECK(content_sha256(data) != hash);
  data = small_set();
  data.labels[2] = 1;
  CHECK(content_sha256(data) != hash);
  data = small_set();
  data.images = data.images.view({3, 1, 4, 2});
  CHECK(content_sha256(data) != hash);
  data = small_set();
  data.images = data.images.view({3, 2, 2, 2});
  CHECK(content_sha256(data) != hash);
  data = small_set();
  data.images = data.images.view(at::kChar);
  CHECK(content_sha256(data) != hash);
  data = small_set();
  data.class_names.clear();
  CHECK(content_sha256(data) != hash);
}
