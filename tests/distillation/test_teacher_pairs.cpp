// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <set>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <catch2/catch.hpp>

#include "distillation/teacher_pairs.h"
#include "io/file_size_limit.h"
#include "io/safetensors.h"
#include "on_devices.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "temporary_folder.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

namespace fs = std::filesystem;

const SamplerConfig kOneEulerStep{.solver = "euler", .steps = 1, .sigma_max = 4};
const std::vector<int64_t> kClasses{0, 1, 2};

TeacherPairs make(const RegressionConfig& config, const fs::path& folder,
                  const Denoiser& teacher = point_network(3), uint64_t seed = kSeed,
                  const std::vector<int64_t>& classes = kClasses) {
  return teacher_pairs(config, teacher, classes, seed, folder, [] { return false; }).value();
}

at::Tensor images_of(const TeacherPairs& pairs) {
  return at::cat(pairs.shards);
}

at::Tensor latents(int64_t count) {
  return kernels::philox_normal(kSeed, word(Purpose::pair_latent), at::arange(count), {2, 1, 1}, at::kCPU);
}

/// The files of a folder that somebody wrote since the last look.
std::set<std::string> written_in(const fs::path& folder) {
  const auto past = fs::file_time_type(std::chrono::seconds(1'000'000));
  std::set<std::string> written;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (fs::last_write_time(entry) != past) written.insert(entry.path().filename());
    fs::last_write_time(entry, past);
  }
  return written;
}

}  // namespace

TEST_CASE("The teacher's pairs are what its sampler makes of their latents and classes") {
  const TemporaryFolder folder;
  const Denoiser teacher = point_network(3);
  const TeacherPairs pairs = make({.pairs = 600, .sampler = kOneEulerStep}, folder / "euler");
  REQUIRE(pairs.shards.size() == 3);
  CHECK(pairs.shards[2].size(0) == 600 - 512);
  const at::Tensor labels = at::one_hot(at::arange(600).remainder(3), 3).to(at::kFloat);
  // One Euler step to noise level 0 is the denoiser.
  CHECK(relative_error(images_of(pairs),
                       denoise(teacher, 4 * latents(600), at::full({}, 4.0), Condition{labels})) < 1e-5);

  const RegressionConfig heun{.pairs = 6, .sampler = {.solver = "heun", .steps = 5}};
  const SampleRequest request{
      .seeds = consecutive_seeds(0, 6), .classes = {0, 1, 2, 0, 1, 2}, .latents = latents(6)};
  CHECK(relative_error(images_of(make(heun, folder / "heun")),
                       generate(teacher, heun.sampler, request, 6).samples) < 1e-5);
}

DEVICE_TEST_CASE("Each pass over the pairs meets every one once, in another order each", "[distillation]") {
  const TemporaryFolder folder;
  constexpr int64_t kPairs = 300;
  const Denoiser teacher = point_network(3);
  const TeacherPairs pairs = make({.pairs = kPairs, .sampler = kOneEulerStep}, folder / "pairs");
  std::vector<at::Tensor> orders;
  for (int64_t pass = 0; pass < 2; ++pass) {
    std::vector<at::Tensor> drawn;
    for (int64_t first = 0; first < kPairs; first += 50) {
      const Shard shard = shard_of(points(400), pass * kPairs + first, 50, device);
      const PairRows rows = pairs_of(pairs, shard);
      // Latent, class and image belong together.
      const at::Tensor expected = denoise(clone(teacher, device), 4 * rows.latents,
                                          at::full({}, 4.0, rows.latents.options()), rows.condition);
      CHECK(relative_error(rows.images, expected) < 1e-5);
      drawn.push_back(rows.images.cpu());
    }
    orders.push_back(at::cat(drawn).flatten(1).select(1, 0));
  }
  const at::Tensor all = std::get<0>(images_of(pairs).flatten(1).select(1, 0).sort());
  for (const at::Tensor& order : orders) CHECK(std::get<0>(order.sort()).equal(all));
  CHECK_FALSE(orders[0].equal(orders[1]));
  // Parts of a batch see what the whole batch would.
  const auto latents_of = [&](int64_t first, int64_t n) {
    return pairs_of(pairs, shard_of(points(400), first, n)).latents;
  };
  CHECK(at::cat({latents_of(0, 3), latents_of(3, 5)}).equal(latents_of(0, 8)));
}

TEST_CASE("Pairs have classes only where the teacher has, and of those that it is to be asked for") {
  const TemporaryFolder folder;
  const Shard shard = shard_of(points(9), 0, 9);
  const RegressionConfig config{.pairs = 4, .sampler = kOneEulerStep};
  CHECK_FALSE(
      pairs_of(make(config, folder / "plain", point_network(3, 0), kSeed, {}), shard).condition.defined());
  const PairRows some = pairs_of(make(config, folder / "some", point_network(3), kSeed, {0, 2}), shard);
  CHECK(some.condition.classes.sizes() == at::IntArrayRef{9, 3});
  CHECK(some.condition.classes.select(1, 1).sum().item<double>() == 0);
}

TEST_CASE("Shards are taken from the folder when they hold just these pairs, and made anew otherwise") {
  const TemporaryFolder folder;
  const fs::path cache = folder / "pairs";
  const RegressionConfig config{.pairs = 300, .sampler = kOneEulerStep};
  const at::Tensor first = images_of(make(config, cache)).clone();
  CHECK(written_in(cache) == std::set<std::string>{"0.safetensors", "256.safetensors"});
  CHECK(images_of(make(config, cache)).equal(first));
  CHECK(written_in(cache).empty());

  const auto anew = [&](const TeacherPairs& other) {
    const at::Tensor images = images_of(other);
    const bool differs = images.sizes() != first.sizes() || relative_error(images, first) > 1e-3;
    const bool written = !written_in(cache).empty();
    make(config, cache);  // and back
    return differs && written && !written_in(cache).empty();
  };
  const Denoiser teacher = point_network(3);
  CHECK(anew(make(config, cache, teacher, kSeed + 1)));
  CHECK(anew(make(config, cache, point_network(4))));
  CHECK(anew(make(config, cache, teacher, kSeed, {2, 1, 0})));
  CHECK(anew(make({.pairs = 280, .sampler = kOneEulerStep}, cache)));
  CHECK(anew(make({.pairs = 300, .sampler = {.solver = "euler", .steps = 1, .sigma_max = 3}}, cache)));
  Denoiser rescaled = teacher;
  std::get<PreconditionedNetwork>(rescaled.form).preconditioning.config.sigma_data = 1.5;
  CHECK(anew(make(config, cache, rescaled)));
}

TEST_CASE("A stop among the pairs keeps the finished shards, and the rest is made the next time") {
  const TemporaryFolder folder;
  const fs::path cache = folder / "pairs";
  const RegressionConfig config{.pairs = 700, .sampler = kOneEulerStep};
  const at::Tensor whole = images_of(make(config, folder / "whole")).clone();
  int64_t asked = 0;
  CHECK_FALSE(teacher_pairs(config, point_network(3), kClasses, kSeed, cache, [&] { return ++asked > 12; }));
  CHECK(written_in(cache) == std::set<std::string>{"0.safetensors"});
  CHECK(images_of(make(config, cache)).equal(whole));
  CHECK(written_in(cache) == std::set<std::string>{"256.safetensors", "512.safetensors"});
}

TEST_CASE("A damaged shard is made anew") {
  const TemporaryFolder folder;
  const fs::path cache = folder / "pairs", shard = cache / "0.safetensors";
  const RegressionConfig config{.pairs = 5, .sampler = kOneEulerStep};
  const at::Tensor images = images_of(make(config, cache)).clone();
  const std::string whole = read_bytes(shard);
  std::string flipped = whole;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  for (const std::string& bytes : {std::string(), whole.substr(0, 5), whole.substr(0, whole.size() - 7),
                                   flipped, std::string("not a tensor file at all")}) {
    write_bytes(shard, bytes);
    CHECK(images_of(make(config, cache)).equal(images));
    CHECK(read_bytes(shard) == whole);
  }
  // Sound, but with other contents under this name.
  const auto metadata = io::read_safetensors_metadata(shard);
  io::write_safetensors(shard, {{"pictures", images}}, metadata);
  CHECK(images_of(make(config, cache)).equal(images));
  io::write_safetensors(shard, {{"images", images.slice(0, 0, 3)}}, metadata);
  CHECK(images_of(make(config, cache)).equal(images));
  io::write_safetensors(shard, {{"images", images}}, {});
  CHECK(images_of(make(config, cache)).equal(images));
  CHECK(read_bytes(shard) == whole);
}

TEST_CASE("Pairs that cannot be written leave nothing half") {
  const TemporaryFolder folder;
  const fs::path cache = folder / "pairs";
  const RegressionConfig config{.pairs = 64, .sampler = kOneEulerStep};
  {
    const FileSizeLimit full(300);
    CHECK_THAT(file_error([&] { make(config, cache); }), Catch::Contains("0.safetensors"));
  }
  CHECK(fs::is_empty(cache));
  write_bytes(folder / "file", "");
  CHECK_THAT(file_error([&] { make(config, folder / "file"); }), Catch::Contains("file"));
  CHECK(file_error([&] { make(config, cache); }).empty());
}
