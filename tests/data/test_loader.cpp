// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <catch2/catch.hpp>

#include "data/loader.h"

using namespace onestep;

namespace {

/// Image i of the set holds the bytes 6 i ... 6 i + 5 and has class i % 3.
Dataset small_set(int64_t n) {
  return {.name = "small",
          .images = at::arange(n * 6, at::kInt).to(at::kByte).reshape({n, 1, 2, 3}),
          .labels = at::arange(n, at::kLong).remainder(3),
          .class_names = {"a", "b", "c"}};
}

std::vector<int64_t> order(uint64_t seed, int64_t epoch, int64_t n) {
  std::vector<int64_t> result;
  for (int64_t place = 0; place < n; ++place) result.push_back(shuffled_index(seed, epoch, place, n));
  return result;
}

bool same(const Batch& a, const Batch& b) {
  return at::equal(a.images, b.images) && at::equal(a.condition.classes, b.condition.classes) &&
         at::equal(a.indices, b.indices);
}

Batch joined(const std::vector<Batch>& parts) {
  std::vector<at::Tensor> images, labels, indices;
  for (const Batch& part : parts) {
    images.push_back(part.images);
    labels.push_back(part.condition.classes);
    indices.push_back(part.indices);
  }
  return {at::cat(images), at::cat(labels), at::cat(indices)};
}

/// Pearson's statistic of counts against equal ones.
double chi_squared(const std::vector<int64_t>& counts) {
  const double expected =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0})) / counts.size();
  double sum = 0;
  for (const int64_t count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

}  // namespace

TEST_CASE("order: every epoch visits every image once", "[loader]") {
  for (const int64_t n : {1, 2, 3, 4, 5, 10, 16, 17, 1000, 60000}) {
    for (const int64_t epoch : {0, 1, 1000000}) {
      CAPTURE(n, epoch);
      std::vector<int64_t> visited = order(7, epoch, n), all(n);
      std::sort(visited.begin(), visited.end());
      std::iota(all.begin(), all.end(), 0);
      CHECK(visited == all);
    }
  }
}

TEST_CASE("order: another epoch or seed is another order", "[loader]") {
  CHECK(order(1, 0, 1000) == order(1, 0, 1000));
  CHECK(order(1, 0, 1000) != order(1, 1, 1000));
  CHECK(order(1, 0, 1000) != order(2, 0, 1000));
  CHECK(order(1, 0, 1000) != order(1 + (uint64_t{1} << 32), 0, 1000));
}

TEST_CASE("order: all orders of a small set are equally likely", "[loader]") {
  // 6 orders of 3 images, 5 degrees of freedom: 99.9 % of fair draws stay below 20.5.
  std::map<std::vector<int64_t>, int64_t> seen;
  for (int64_t epoch = 0; epoch < 6000; ++epoch) ++seen[order(3, epoch, 3)];
  std::vector<int64_t> counts;
  for (const auto& [_, count] : seen) counts.push_back(count);
  REQUIRE(counts.size() == 6);
  CHECK(chi_squared(counts) < 20.5);
}

TEST_CASE("order: every image comes equally often at every place, and after every other", "[loader]") {
  // Epochs are independent draws: 99.9 % points of chi-squared with (n - 1)^2 = 81 and n (n - 1) - 1 = 89
  // degrees.
  constexpr int64_t n = 10, epochs = 5000;
  std::vector<int64_t> places(n * n), pairs(n * n);
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    const std::vector<int64_t> o = order(5, epoch, n);
    for (int64_t place = 0; place < n; ++place) ++places[place * n + o[place]];
    for (int64_t place = 1; place < n; ++place) ++pairs[o[place - 1] * n + o[place]];
  }
  CHECK(chi_squared(places) < 126.1);
  std::erase(pairs, 0);  // no image follows itself
  REQUIRE(pairs.size() == n * (n - 1));
  CHECK(chi_squared(pairs) < 136.0);
}

TEST_CASE("order: a large set is mixed all over", "[loader]") {
  // The first tenth of an epoch of 60000, by tenths of the set: 9 degrees of freedom.
  std::vector<int64_t> tenths(10);
  for (int64_t place = 0; place < 6000; ++place) ++tenths[shuffled_index(0, 0, place, 60000) / 6000];
  CHECK(chi_squared(tenths) < 27.9);
}

TEST_CASE("order: arguments out of range", "[loader]") {
  CHECK_THROWS(shuffled_index(0, 0, 0, 0));
  CHECK_THROWS(shuffled_index(0, 0, 3, 3));
  CHECK_THROWS(shuffled_index(0, 0, -1, 3));
  CHECK_THROWS(shuffled_index(0, -1, 0, 3));
  CHECK_THROWS(shuffled_index(0, 0, 0, (int64_t{1} << 48) + 1));
}

TEST_CASE("batch: values, labels and indices of each image", "[loader]") {
  const Dataset data = small_set(30);
  const Batch batch = read_batch(data, 11, 25, 10, false);  // 5 images of epoch 0, 5 of epoch 1
  CHECK(batch.images.sizes() == at::IntArrayRef({10, 1, 2, 3}));
  CHECK(batch.condition.classes.sizes() == at::IntArrayRef({10, 3}));
  CHECK(at::equal(batch.indices, at::arange(25, 35, at::kLong)));
  for (int64_t i = 0; i < 10; ++i) {
    const int64_t nimg = 25 + i, chosen = shuffled_index(11, nimg / 30, nimg % 30, 30);
    CAPTURE(nimg, chosen);
    CHECK(at::equal(batch.images[i], data.images[chosen]));
    CHECK(batch.condition.classes[i].argmax().item<int64_t>() == chosen % 3);
    CHECK(batch.condition.classes[i].sum().item<float>() == 1);
  }
}

TEST_CASE("batch: bytes 0 and 255 become -1 and 1", "[loader]") {
  Dataset data = small_set(1);
  data.images.flatten()[0].fill_(0);
  data.images.flatten()[5].fill_(255);
  const at::Tensor image = to_float(read_batch(data, 0, 0, 1, false).images).flatten();
  CHECK(image[0].item<float>() == -1);
  CHECK(image[5].item<float>() == 1);
}

TEST_CASE("batch: the same images however the run is cut", "[loader]") {
  const Dataset data = small_set(7);
  const Batch whole = read_batch(data, 3, 5, 24, true);
  CHECK(same(whole, joined({read_batch(data, 3, 5, 1, true), read_batch(data, 3, 6, 16, true),
                            read_batch(data, 3, 22, 7, true)})));
}

TEST_CASE("batch: half of the images are mirrored, left to right", "[loader]") {
  constexpr int64_t n = 4000;
  const Dataset data = small_set(40);
  const at::Tensor plain = read_batch(data, 1, 0, n, false).images,
                   flips = read_batch(data, 1, 0, n, true).images;
  const at::Tensor mirrored = plain.flip({3});
  int64_t count = 0;
  bool once_each = false;  // an image is mirrored in one epoch and not in another
  std::map<int64_t, std::set<bool>> ways;
  for (int64_t i = 0; i < n; ++i) {
    const bool flip = at::equal(flips[i], mirrored[i]);
    REQUIRE((flip || at::equal(flips[i], plain[i])));
    count += flip;
    ways[shuffled_index(1, i / 40, i % 40, 40)].insert(flip);
    once_each = once_each || ways[shuffled_index(1, i / 40, i % 40, 40)].size() == 2;
  }
  CHECK(once_each);
  CHECK(std::abs(count - n / 2) < 4 * std::sqrt(n / 4));
}

TEST_CASE("batch: arguments out of range", "[loader]") {
  CHECK_THROWS(read_batch(small_set(3), 0, -1, 1, false));
  CHECK_THROWS(read_batch(small_set(3), 0, 0, 0, false));
  CHECK_THROWS(read_batch(small_set(0), 0, 0, 1, false));
}

namespace {

/// Reads shards of 4 images, `count` of them.
std::function<std::optional<Batch>()> fours(int64_t count, std::atomic<int64_t>* reads = nullptr) {
  return [=, next = int64_t{0}]() mutable -> std::optional<Batch> {
    if (next == count) return std::nullopt;
    if (reads != nullptr) ++*reads;
    return read_batch(small_set(10), 9, 4 * next++, 4, true);
  };
}

}  // namespace

TEST_CASE("loader: a shard is what is read without it", "[loader]") {
  const Dataset data = small_set(10);
  Loader loader(fours(10));
  for (int64_t i = 0; i < 10; ++i) CHECK(same(loader.take(4 * i), read_batch(data, 9, 4 * i, 4, true)));
}

TEST_CASE("loader: shards can be taken in another order, by several threads", "[loader]") {
  const Dataset data = small_set(10);
  Loader loader(fours(100));
  CHECK(same(loader.take(4), read_batch(data, 9, 4, 4, true)));
  CHECK(same(loader.take(0), read_batch(data, 9, 0, 4, true)));
  std::atomic<int64_t> next = 2, good = 0;
  std::vector<std::jthread> takers;
  for (int i = 0; i < 5; ++i)
    takers.emplace_back([&] {
      for (int64_t mine; (mine = next++) < 100;)
        good += same(loader.take(4 * mine), read_batch(data, 9, 4 * mine, 4, true));
    });
  takers.clear();
  CHECK(good == 98);
}

TEST_CASE("loader: reads two shards ahead and no more", "[loader]") {
  std::atomic<int64_t> reads = 0;
  Loader loader(fours(10, &reads));
  // Two wait to be taken, and a third for a place beside them.
  while (reads < 3) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(reads == 3);
  loader.take(0);
  while (reads < 4) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(reads == 4);
}

TEST_CASE("loader: a failure is thrown in its turn, again and again", "[loader]") {
  Loader loader([read = fours(2)]() mutable {
    std::optional<Batch> shard = read();
    if (!shard) throw std::runtime_error("torn at 8");
    return shard;
  });
  CHECK(loader.take(0).indices[0].item<int64_t>() == 0);
  CHECK(loader.take(4).indices[0].item<int64_t>() == 4);
  CHECK_THROWS_WITH(loader.take(8), "torn at 8");
  CHECK_THROWS_WITH(loader.take(8), "torn at 8");
}

TEST_CASE("loader: ends at once, whether its places are full or empty", "[loader]") {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < 200; ++i) {
    Loader loader(fours(1000));
    if (i % 2) loader.take(0);
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}
