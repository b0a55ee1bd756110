// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <limits>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "evaluation/feature_set.h"
#include "evaluation/random_features.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "temporary_folder.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

fs::path write(const TemporaryFolder& folder, const std::string& name, const at::Tensor& array,
               const std::string& key = "features") {
  io::write_safetensors(folder / name, {{key, array}});
  return folder / name;
}

void refused(const fs::path& path, const std::string& why) {
  CAPTURE(path);
  CHECK_THROWS_AS(read_features(path), io::FileError);
  CHECK_THROWS_WITH(read_features(path), Catch::StartsWith(path.string()) && Catch::Contains(why));
}

TEST_CASE("features come back as they were stored") {
  const TemporaryFolder folder;
  at::Tensor x = normal_features(1, 5, 3);
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor read = read_features(write(folder, "a.safetensors", x.to(type)));
    CHECK(read.scalar_type() == type);
    CHECK(read.equal(x.to(type)));
  }
  const fs::path path = write(folder, "b.safetensors", x);
  CHECK(features_from_file(path).sha256 == io::sha256_of_file(path));
}

TEST_CASE("features from an npz file") {
  const at::Tensor read = read_features(fs::path(ONESTEP_GOLDEN) / "evaluation" / "features.npz");
  CHECK(read.sizes() == at::IntArrayRef({4, 3}));
  CHECK(read[3][2].item<double>() == 11.5);
}

TEST_CASE("feature files that cannot be used say why") {
  const TemporaryFolder folder;
  at::Tensor x = normal_features(2, 6, 3);
  refused(folder / "none.safetensors", "");
  refused(folder / "none.npz", "");
  refused(write(folder, "a.bin", x), ".npz or .safetensors");
  refused(write(folder, "name.safetensors", x, "feature"), "features");
  refused(write(folder, "rank.safetensors", at::ones({6})), "must have shape [N, d], got [6]");
  refused(write(folder, "rank3.safetensors", at::ones({6, 1, 1})), "must have shape [N, d], got [6, 1, 1]");
  refused(write(folder, "whole.safetensors", at::ones({6, 2}, at::kLong)),
          "must be float32 or float64, got Long");
  refused(write(folder, "one.safetensors", at::ones({1, 2})), "at least 2 rows, got 1");
  refused(write(folder, "empty.safetensors", at::ones({0, 2})), "at least 2 rows, got 0");
  refused(write(folder, "narrow.safetensors", at::ones({6, 0})), "no columns");
  at::Tensor bad = x.clone();
  bad[4][1] = std::numeric_limits<double>::quiet_NaN();
  bad[5][0] = std::numeric_limits<double>::infinity();
  refused(write(folder, "nan.safetensors", bad), "NaN or infinity, first in row 4 (2 of 6 rows)");

  const fs::path torn = write(folder, "torn.safetensors", x);
  fs::resize_file(torn, fs::file_size(torn) - 8);
  refused(torn, "");
  write_bytes(folder / "text.npz", "no zip at all");
  refused(folder / "text.npz", "");
}

}  // namespace
}  // namespace onestep
