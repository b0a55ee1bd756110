// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>
#include <catch2/catch.hpp>

#include "data/content_hash.h"
#include "data/encoded.h"
#include "data/first_image.h"
#include "data/loader.h"
#include "io/safetensors.h"
#include "temporary_folder.h"

using namespace onestep;
using Catch::Contains;

namespace {

constexpr int64_t kCount = 50;

/// Pictures of 4 × 4 that differ, of two classes.
Dataset pictures(int64_t count = kCount) {
  return {
      .name = "pictures",
      .images = (at::arange(count * 16, at::kLong) * 37).remainder(251).to(at::kByte).view({count, 1, 4, 4}),
      .labels = at::arange(count).remainder(2),
      .class_names = {"even", "odd"}};
}

/// Halves pictures; their latents have the standard deviation 0.25.
struct Halving {
  std::shared_ptr<std::atomic<int64_t>> encoded = std::make_shared<std::atomic<int64_t>>(0);
  std::string sha256 = "halving";
  bool drawn = true;

  Encoder encoder() const {
    return {.sha256 = sha256, .moments = [*this](const at::Tensor& images) {
              *encoded += images.size(0);
              const at::Tensor mean = at::avg_pool2d(images, {2, 2});
              return LatentMoments{mean, drawn ? at::full_like(mean, 0.25) : at::Tensor()};
            }};
  }
};

struct Fixture {
  const TemporaryFolder folder;
  const io::Cache cache{.folder = folder / "cache"};
  const Halving halving;

  Dataset encode(const Dataset& of, const Halving& by, const EncodedConfig& config = {},
                 const EncodingContext& context = {}) const {
    return encoded(of, by.encoder(), config, cache, context);
  }
  int64_t files() const {
    return std::distance(std::filesystem::directory_iterator(cache.folder),
                         std::filesystem::directory_iterator());
  }
};

void check_same(const Dataset& a, const Dataset& b) {
  CHECK(at::equal(a.images, b.images));
  CHECK(at::equal(a.spread, b.spread));
  CHECK(at::equal(a.labels, b.labels));
  CHECK(content_sha256(a) == content_sha256(b));
}

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "encoded: the same set on the fly, kept, from the cache, by any number of workers") {
  const Dataset plain = encoded(pictures(), halving.encoder(), {}, {}, {});
  CHECK(at::equal(plain.images, at::avg_pool2d(to_float(pictures().images), {2, 2})));
  CHECK(plain.spread.eq(0.25).all().item<bool>());
  CHECK(plain.class_names == pictures().class_names);
  check_same(encode(pictures(), halving, {}, {.open = {}, .workers = Workers(3)}), plain);
  CHECK(files() == 1);  // no pieces are left
  const int64_t before = *halving.encoded;
  check_same(encode(pictures(), halving), plain);
  CHECK(*halving.encoded == before);
}

TEST_CASE_METHOD(Fixture, "encoded: what was kept is of these pictures and this autoencoder") {
  encode(pictures(), halving);
  const auto encodes_anew = [&](const Dataset& of, const Halving& by, const EncodedConfig& config = {}) {
    const int64_t before = *by.encoded;
    encode(of, by, config);
    return *by.encoded > before;
  };
  CHECK_FALSE(encodes_anew(pictures(), halving));
  CHECK(encodes_anew(pictures(kCount - 1), halving));
  CHECK(encodes_anew(pictures(), {.sha256 = "another"}));
  CHECK(encodes_anew(pictures(), halving, {.mirrored = true}));
  CHECK_FALSE(encodes_anew(pictures(), halving, {.sampled = false}));
  Dataset renamed = pictures();
  renamed.name = "elsewhere";
  CHECK_FALSE(encodes_anew(renamed, halving));
}

TEST_CASE_METHOD(Fixture, "encoded: an interrupted encoding goes on where it was") {
  const int64_t many = 4096 + 300;
  const EncodingContext stopped{.open = {}, .watch = [](int64_t done, int64_t) {
                                  if (done > 4200) throw std::runtime_error("stop");
                                }};
  CHECK_THROWS_WITH(encode(pictures(many), halving, {}, stopped), "stop");
  CHECK(files() == 1);
  const int64_t before = *halving.encoded;
  std::vector<int64_t> told;
  const Dataset resumed =
      encode(pictures(many), halving, {}, {.open = {}, .watch = [&](int64_t done, int64_t all) {
                                             CHECK(all == many);
                                             told.push_back(done);
                                           }});
  CHECK(*halving.encoded - before < 320);
  CHECK(told.front() > 4096);
  CHECK(told.back() == many);
  CHECK(files() == 1);
  check_same(resumed, encoded(pictures(many), halving.encoder(), {}, {}, {}));
}

TEST_CASE_METHOD(Fixture, "encoded: mirrored pictures lie behind the others, with their classes") {
  const Dataset both = encode(pictures(), halving, {.mirrored = true});
  REQUIRE(both.images.size(0) == 2 * kCount);
  const at::Tensor mirrored = at::avg_pool2d(to_float(pictures().images.flip(3)), {2, 2});
  CHECK(at::equal(both.images.narrow(0, kCount, kCount), mirrored));
  CHECK(at::equal(both.labels.narrow(0, kCount, kCount), pictures().labels));
}

TEST_CASE_METHOD(Fixture, "encoded: means alone where nothing is to be drawn") {
  CHECK_FALSE(encode(pictures(), halving, {.sampled = false}).spread.defined());
  const Halving fixed{.sha256 = "fixed", .drawn = false};
  CHECK_FALSE(encode(pictures(), fixed).spread.defined());
  CHECK_FALSE(encode(pictures(), fixed).spread.defined());  // from the cache
}

TEST_CASE_METHOD(Fixture, "encoded: a damaged cache is made anew, latents that are not finite are refused") {
  const Dataset whole = encode(pictures(), halving);
  const std::filesystem::path file = std::filesystem::directory_iterator(cache.folder)->path();
  std::string bytes = read_bytes(file);
  bytes[bytes.size() - 9] ^= 1;
  write_bytes(file, bytes);
  check_same(encode(pictures(), halving), whole);
  const Encoder broken{.sha256 = "broken", .moments = [](const at::Tensor& images) {
                         at::Tensor mean = at::avg_pool2d(images, {2, 2});
                         if (mean.size(0) > 2) mean[2][0][0][1] = std::numeric_limits<float>::quiet_NaN();
                         return LatentMoments{mean, {}};
                       }};
  CHECK_THROWS_WITH(encoded(pictures(), broken, {.autoencoder = "a.safetensors"}, cache, {}),
                    Contains("a.safetensors") && Contains("picture 2"));
}

TEST_CASE("encoded: nothing but training reads such a set") {
  CHECK_THROWS_WITH(load_dataset(EncodedConfig{}), Contains("encoded"));
  EncodedConfig config{.autoencoder = "a", .of = FashionMnistConfig{}};
  const auto first = std::get<EncodedConfig>(first_image_of(config));
  CHECK(std::get<FashionMnistConfig>(first.of).limit == 1);
  CHECK(autoencoder_of(config) == "a");
  CHECK(autoencoder_of(FashionMnistConfig{}) == "");
}

TEST_CASE("encoded: latents are drawn anew about their means, by seed and image number alone") {
  Dataset data = encoded(pictures(), Halving{}.encoder(), {}, {}, {});
  const Batch whole = read_batch(data, 7, 3, 200, /*flip=*/false);
  const Batch part = read_batch(data, 7, 90, 5, /*flip=*/false);
  CHECK(at::equal(whole.images.narrow(0, 87, 5), part.images));
  CHECK_FALSE(at::equal(read_batch(data, 8, 90, 5, false).images, part.images));
  CHECK_THROWS_AS(read_batch(data, 7, 0, 5, /*flip=*/true), c10::Error);

  // Over many epochs: the set's mean, and the variance that its statistics tell.
  const at::Tensor drawn = read_batch(data, 7, 0, 400 * kCount, false).images.to(at::kDouble);
  const ChannelStatistics told = statistics_of(data);
  const double mean = drawn.mean().item<double>(), variance = drawn.var(/*unbiased=*/false).item<double>();
  CHECK(mean == Approx(told.mean[0]).margin(4 * 0.25 / std::sqrt(4.0 * 400 * kCount)));
  CHECK(variance == Approx(told.std[0] * told.std[0]).epsilon(0.02));
  const at::Tensor means = data.images.to(at::kDouble);
  CHECK(told.std[0] * told.std[0] == Approx(means.var(false).item<double>() + 0.0625).epsilon(1e-9));
}

TEST_CASE("latents: means and standard deviations in a file are drawn about, and checked") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / "latents.safetensors";
  const at::Tensor mean = at::arange(24).view({3, 2, 2, 2}).to(at::kFloat), std = at::full_like(mean, 0.5);
  io::write_safetensors(file, {{"mean", mean}, {"std", std}, {"labels", at::arange(3)}});
  const LatentsConfig config{.files = {file.string()}};
  const Dataset data = load_dataset(config);
  CHECK(at::equal(data.images, mean));
  CHECK(at::equal(data.spread, std));
  CHECK(data.class_names.size() == 3);

  const auto refuses = [&](const at::Tensor& bad, const std::string& why) {
    io::write_safetensors(file, {{"mean", mean}, {"std", bad}});
    CHECK_THROWS_WITH(load_dataset(config), Contains("std") && Contains(why));
  };
  refuses(-std, "below 0");
  refuses(std.narrow(0, 0, 2).contiguous(), "but mean is");
  refuses(std / 0, "infinity");
  io::write_safetensors(file, {{"mean", mean}});
  CHECK_THROWS_WITH(load_dataset(config), Contains("std"));
  io::write_safetensors(file, {{"mean", mean}, {"std", std}});
  io::write_safetensors(folder / "plain.safetensors", {{"latents", mean}});
  CHECK_THROWS_WITH(
      load_dataset(LatentsConfig{.files = {file.string(), (folder / "plain.safetensors").string()}}),
      Contains("plain.safetensors"));
}
