// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <limits>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "evaluation/feature_set.h"
#include "evaluation/random_features.h"
#include "evaluation/sha256.h"
#include "io/safetensors.h"
#include "io/temporary_folder.h"

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
  CHECK(features_from_file(path).sha256 == sha256_of_file(path));
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

TEST_CASE("SHA-256 of the standard's examples") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 of a file is that of its bytes, also at block and buffer edges") {
  const TemporaryFolder folder;
  for (const size_t size : {0, 55, 56, 64, 1 << 20, (1 << 20) + 1}) {
    CAPTURE(size);
    const std::string bytes(size, 'x');
    write_bytes(folder / "f", bytes);
    CHECK(sha256_of_file(folder / "f") == sha256(bytes));
  }
  CHECK_THROWS_AS(sha256_of_file(folder / "none"), io::FileError);
}

}  // namespace
}  // namespace onestep
