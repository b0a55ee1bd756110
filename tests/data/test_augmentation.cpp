// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "data/augmentation.h"
#include "kernels/philox.h"
#include "noise/purpose.h"

using namespace onestep;

namespace {

constexpr uint64_t kSeed = 11;
enum Label { mirrored, upside_down, scale, cos_turn, sin_turn, stretch_cos, stretch_sin, right, down };

at::Tensor noise(int64_t n, int64_t height, int64_t width) {
  return kernels::philox_normal(3, word(Purpose::noise), at::arange(n), {2, height, width}, at::kCPU);
}

/// A smooth spot of standard deviation 1.5 pixels at (x, y) from the centre of 32 x 32.
at::Tensor spot(double x, double y) {
  const at::Tensor place = at::arange(32, at::kFloat) - 15.5;
  const at::Tensor squared = (place - y).square().unsqueeze(1) + (place - x).square().unsqueeze(0);
  return (-squared / 4.5).exp().reshape({1, 1, 32, 32});
}

/// Where the spot of an image [1, 32, 32] is, from the centre.
std::pair<double, double> place_of(const at::Tensor& image) {
  const at::Tensor place = at::arange(32, at::kFloat) - 15.5, weight = image[0] / image.sum();
  return {(weight.sum(0) * place).sum().item<double>(), (weight.sum(1) * place).sum().item<double>()};
}

double label(const Augmented& seen, int64_t image, Label which) {
  return seen.labels[image][which].item<double>();
}

/// Whether no transformation but flips was drawn.
bool is_flip(const Augmented& seen, int64_t image) {
  return seen.labels[image].slice(0, scale).abs().sum().item<double>() == 0;
}

}  // namespace

TEST_CASE("Without a share there is nothing to do and nothing to tell") {
  const at::Tensor images = noise(3, 8, 8);
  const Augmented seen = augment(images, 0, kSeed, at::arange(3));
  CHECK(seen.images.is_same(images));
  CHECK_FALSE(seen.labels.defined());
}

TEST_CASE(
    "Every other image is mirrored, and of the rest each share is changed in each way, as labels tell") {
  constexpr int64_t kImages = 4000;
  constexpr double kShare = 0.12;
  const Augmented seen = augment(noise(kImages, 8, 8), kShare, kSeed, at::arange(kImages));
  REQUIRE(seen.labels.sizes() == at::IntArrayRef{kImages, kAugmentationLabels});
  const auto share = [&](Label which) {
    return (seen.labels.select(1, which) != 0).to(at::kDouble).mean().item<double>();
  };
  const auto near = [](double p) { return Approx(p).margin(4 * std::sqrt(p * (1 - p) / kImages)); };
  CHECK(share(mirrored) == near(0.5));
  CHECK(share(upside_down) == near(kShare / 2));
  for (const Label which : {scale, cos_turn, sin_turn, stretch_cos, stretch_sin, right, down})
    CHECK(share(which) == near(kShare));
  // What is on is drawn from its law, and each for itself.
  const auto values = [&](Label which) {
    const at::Tensor all = seen.labels.select(1, which);
    return all.index({all != 0});
  };
  for (const Label which : {scale, right, down}) {
    CHECK(values(which).mean().item<double>() == Approx(0).margin(0.2));
    CHECK(values(which).std().item<double>() == Approx(1).margin(0.15));
  }
  CHECK((values(cos_turn) + 1).mean().item<double>() == Approx(0).margin(0.15));
  const at::Tensor both = (seen.labels.select(1, scale) != 0) & (seen.labels.select(1, right) != 0);
  CHECK(both.to(at::kDouble).mean().item<double>() == near(kShare * kShare));
}

TEST_CASE("An image's augmentation is a function of its number and the seed alone") {
  const at::Tensor images = noise(20, 9, 12);
  const Augmented all = augment(images, 0.5, kSeed, at::arange(20));
  const Augmented some = augment(images.slice(0, 7, 12), 0.5, kSeed, at::arange(7, 12));
  CHECK(some.labels.equal(all.labels.slice(0, 7, 12)));
  CHECK((some.images - all.images.slice(0, 7, 12)).abs().max().item<double>() < 1e-5);
  CHECK_FALSE(augment(images, 0.5, kSeed + 1, at::arange(20)).labels.equal(all.labels));
}

TEST_CASE("Images that are only flipped keep their pixels") {
  const at::Tensor images = noise(200, 8, 10);
  const Augmented seen = augment(images, 0.12, kSeed, at::arange(200));
  int64_t flips = 0;
  for (int64_t i = 0; i < 200; ++i) {
    if (!is_flip(seen, i)) continue;
    ++flips;
    at::Tensor expected = images[i];
    if (label(seen, i, mirrored) == 1) expected = expected.flip({2});
    if (label(seen, i, upside_down) == 1) expected = expected.flip({1});
    CHECK(seen.images[i].equal(expected));
  }
  CHECK(flips > 50);
}

TEST_CASE("A spot goes where the labels say: scaled, turned, stretched and moved") {
  constexpr int64_t kImages = 3000;
  const double x = 3, y = -2;
  const Augmented seen =
      augment(spot(x, y).expand({kImages, 1, 32, 32}).contiguous(), 0.3, kSeed, at::arange(kImages));
  const at::Tensor sizes =
      kernels::philox_normal(kSeed, word(Purpose::augmentation_size), at::arange(kImages), {4}, at::kCPU);
  int64_t looked_at = 0;
  for (int64_t i = 0; i < kImages; ++i) {
    if (is_flip(seen, i)) continue;
    // Backwards through: p_in = S(1/s) R(turn) R(−axis) diag(1/a, a) R(axis) (p_out − move).
    double px = label(seen, i, mirrored) == 1 ? -x : x, py = label(seen, i, upside_down) == 1 ? -y : y;
    const double s = std::exp2(0.2 * label(seen, i, scale));
    const double turn = std::atan2(label(seen, i, sin_turn), label(seen, i, cos_turn) + 1);
    const double amount = std::hypot(label(seen, i, stretch_cos), label(seen, i, stretch_sin));
    const double axis = std::atan2(label(seen, i, stretch_sin), label(seen, i, stretch_cos));
    // Labels do not tell a squeeze along an axis from a stretch along it: EDM's do not either.
    const double sign = sizes[i][1].item<double>() < 0 ? -1 : 1;
    const auto rotate = [&](double angle) {
      const double c = std::cos(angle), sine = std::sin(angle);
      std::tie(px, py) = std::pair(c * px - sine * py, sine * px + c * py);
    };
    px *= s, py *= s;
    rotate(axis - turn);
    const double stretch = std::exp2(0.2 * sign * amount);
    px *= stretch, py /= stretch;
    rotate(-axis);
    px += 4 * label(seen, i, right), py += 4 * label(seen, i, down);
    // Elsewhere reflections of the spot would count.
    const double moved = std::max(std::abs(label(seen, i, right)), std::abs(label(seen, i, down)));
    if (std::hypot(px, py) > 6 || s > 1.3 || s < 0.92 || amount > 0.6 || moved > 0.5) continue;
    ++looked_at;
    const auto [found_x, found_y] = place_of(seen.images[i]);
    INFO(i << ": " << seen.labels[i]);
    CHECK(found_x == Approx(px).margin(0.1));
    CHECK(found_y == Approx(py).margin(0.1));
  }
  CHECK(looked_at > 500);
}

TEST_CASE("What comes from beyond an image is its reflection: a plain image stays plain") {
  const at::Tensor plain = at::zeros({300, 1, 16, 8}) + 0.7;
  const Augmented seen = augment(plain, 0.5, kSeed, at::arange(300));
  CHECK((seen.images - 0.7).abs().max().item<double>() < 1e-5);
}

TEST_CASE("Networks that are not told, and images that are too small, are refused") {
  CHECK_NOTHROW(require_augmentable("key", 9, 8, 8));
  CHECK_THROWS_WITH(require_augmentable("task.fake.augmentation", 0, 8, 8),
                    "task.fake.augmentation: takes a network with augment_dim: 9, but it has 0");
  CHECK_THROWS_WITH(require_augmentable("key", 9, 8, 7), Catch::Contains("8x7"));
  CHECK_THROWS_AS(augment(noise(2, 8, 7), 0.1, 1, at::arange(2)), c10::Error);
}
