// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "data/content_hash.h"
#include "data/dataset.h"
#include "data/first_image.h"
#include "data/loader.h"
#include "io/safetensors.h"
#include "temporary_folder.h"

using namespace onestep;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

/// [count, 4, 2, 3], every value another and a number of bfloat16.
at::Tensor latents_of(int64_t count, double first = 0) {
  return (at::arange(count * 24).to(at::kFloat) / 4 + first).view({count, 4, 2, 3});
}

LatentsConfig config_of(const std::vector<fs::path>& paths) {
  LatentsConfig config;
  for (const fs::path& path : paths) config.files.push_back(path.string());
  return config;
}

}  // namespace

TEST_CASE("latents: shards in their order, of any of three types, as float32") {
  const TemporaryFolder folder;
  const fs::path a = folder / "a.safetensors", b = folder / "b.safetensors", c = folder / "c.safetensors";
  io::write_safetensors(
      a, {{"latents", latents_of(3).to(at::kHalf)}, {"labels", at::tensor({1, 0, 4}, at::kLong)}});
  io::write_safetensors(b, {{"latents", latents_of(2, -7)}, {"labels", at::tensor({2, 2}, at::kLong)}});
  io::write_safetensors(c, {{"latents", latents_of(1, 9).to(at::kBFloat16)},
                            {"labels", at::tensor({0}, at::kLong)},
                            {"more", at::zeros({1})}});
  LatentsConfig config = config_of({b, a, c});
  const Dataset data = load_dataset(config);
  const at::Tensor all = at::cat({latents_of(2, -7), latents_of(3), latents_of(1, 9)});
  const at::Tensor labels = at::tensor({2, 2, 1, 0, 4, 0}, at::kLong);
  CHECK(data.images.scalar_type() == at::kFloat);
  CHECK(data.images.is_contiguous());
  CHECK(at::equal(data.images, all));
  CHECK(at::equal(data.labels, labels));
  CHECK(data.class_names == std::vector<std::string>{"0", "1", "2", "3", "4"});
  CHECK(data.name == "b");
  CHECK(to_float(data.images).is_same(data.images));
  CHECK(!is_pictures(config));
  CHECK(content_sha256(data) == content_sha256(all, labels, 5));
  const Batch batch = read_batch(data, 0, 0, 6, false);
  for (int64_t i = 0; i < 6; ++i) CHECK(at::equal(batch.images[i], all[shuffled_index(0, 0, i, 6)]));

  for (const int64_t limit : {1, 2, 3, 6, 9}) {
    config.limit = limit;
    const Dataset some = load_dataset(config);
    CHECK(at::equal(some.images, all.narrow(0, 0, std::min<int64_t>(limit, 6))));
    CHECK(at::equal(some.labels, labels.narrow(0, 0, std::min<int64_t>(limit, 6))));
    CHECK(some.class_names.size() == 5);
  }
  config.limit = {};
  config.classes = 1000;
  CHECK(load_dataset(config).class_names.size() == 1000);
  const Dataset outline = outline_of_dataset(config);
  CHECK(outline.images.sizes().slice(1) == at::IntArrayRef({4, 2, 3}));
  CHECK(outline.class_names.size() == 1000);
}

TEST_CASE("latents: without labels there are no classes") {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.safetensors";
  io::write_safetensors(path, {{"latents", latents_of(3)}});
  LatentsConfig config = config_of({path});
  for (const std::optional<int64_t> classes : {std::optional<int64_t>{}, std::optional<int64_t>{7}}) {
    config.classes = classes;
    const Dataset data = load_dataset(config);
    CHECK(data.class_names.empty());
    CHECK(at::equal(data.labels, at::zeros({3}, at::kLong)));
  }
}

TEST_CASE("latents: what is wrong is named, with file and tensor") {
  const TemporaryFolder folder;
  const fs::path first = folder / "first.safetensors", path = folder / "x.safetensors";
  const at::Tensor good = latents_of(2), labels = at::tensor({0, 1}, at::kLong);
  io::write_safetensors(first, {{"latents", good}, {"labels", labels}});
  const auto with = [](at::Tensor latents, double value) {
    latents[1][3][1][2].fill_(value);
    return latents;
  };
  struct Case {
    Tensors tensors;
    std::string expected;
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [tensors, expected] : std::vector<Case>{
           {{{"labels", labels}}, "'latents'"},
           {{{"latents", good.to(at::kDouble)}},
            "'latents' must be float16, bfloat16 or float32 [N, C, h, w], got Double"},
           {{{"latents", good.to(at::kByte)}}, "'latents' must be"},
           {{{"latents", good[0]}},
            "'latents' must be float16, bfloat16 or float32 [N, C, h, w], got Float [4, 2, 3]"},
           {{{"latents", good.narrow(0, 0, 0)}}, "'latents' must be"},
           {{{"latents", latents_of(2).view({2, 4, 3, 2})}, {"labels", labels}},
            "'latents' is [2, 4, 3, 2], but in the first file, " + first.string() + ", [2, 4, 2, 3]"},
           {{{"latents", good}}, "'labels' is missing, and " + first.string() + " has one"},
           {{{"latents", good}, {"labels", labels.to(at::kInt)}}, "'labels' must be int64, got Int"},
           {{{"latents", good}, {"labels", at::tensor({1}, at::kLong)}}, "'labels' must be integers [2]"},
           {{{"latents", good}, {"labels", at::tensor({0, -1}, at::kLong)}}, "'labels' holds -1 for image 1"},
           {{{"latents", good}, {"labels", at::tensor({0, 3}, at::kLong)}},
            "'labels' holds label 3; there are only 3 classes"},
           {{{"latents", with(latents_of(2), std::nan(""))}, {"labels", labels}},
            "'latents' holds NaN or infinity in row 1, counted from 0"},
           {{{"latents", with(latents_of(2), -kInfinity).to(at::kHalf)}, {"labels", labels}},
            "NaN or infinity in row 1"},
           {{{"latents", with(with(latents_of(2), kInfinity).flip(3), -kInfinity)}, {"labels", labels}},
            "NaN or infinity in row 1"},
       }) {
    INFO(expected);
    io::write_safetensors(path, tensors);
    LatentsConfig config = config_of({first, path});
    config.classes = 3;
    CHECK_THAT(file_error([&] { load_dataset(config); }), Contains("x.safetensors: ") && Contains(expected));
  }
  io::write_safetensors(path, {{"latents", good}});
  CHECK_THAT(file_error([&] {
               load_dataset(config_of({path, first}));
             }),
             Contains("x.safetensors: tensor 'labels' is missing, and " + first.string() + " has one"));
  CHECK_THAT(file_error([&] { load_dataset(config_of({folder / "none"})); }), Contains("none: No such file"));
  CHECK_THAT(file_error([&] { load_dataset(config_of({})); }),
             Contains("data.files: names no file of latents"));
  // Two sets that two autoencoders made.
  const auto of = [&](const fs::path& file, const std::string& autoencoder) {
    io::write_safetensors(file, {{"latents", good}}, {{kAutoencoderKey, autoencoder}});
  };
  of(first, "one");
  of(path, "one");
  CHECK(load_dataset(config_of({first, path})).encoded_by == "one");
  of(path, "two");
  CHECK_THAT(
      file_error([&] {
        load_dataset(config_of({first, path}));
      }),
      Contains("x.safetensors: tensor 'latents' is of another autoencoder than that of " + first.string()));
  // Large values are numbers: their sum is beyond float32.
  io::write_safetensors(path, {{"latents", at::full({2, 4, 2, 3}, 3e38)}});
  CHECK_NOTHROW(load_dataset(config_of({path})));
  // One changed byte of the pixels.
  std::string bytes = read_bytes(path);
  bytes.back() ^= 1;
  write_bytes(path, bytes);
  CHECK_THAT(file_error([&] { load_dataset(config_of({path})); }),
             Contains("x.safetensors: ") && Contains("checksum"));
}
