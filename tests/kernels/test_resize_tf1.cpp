// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/safetensors.h"
#include "kernels/philox.h"
#include "kernels/resize_tf1.h"
#include "on_devices.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;

namespace {

/// What the network sees, back on the scale 0–255.
at::Tensor resized(const at::Tensor& images) {
  return resize_tf1(images).to(at::kDouble) * 128.0 + 128.0;
}

at::Tensor noise(at::IntArrayRef shape) {
  const at::Tensor index = at::arange(shape[0], at::kLong);
  return (philox_uniform(1, 1, index, shape.slice(1), at::kCPU) * 256).to(at::kByte);
}

double largest_gap(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return at::abs(a.to(at::kDouble) - b.to(at::kDouble)).max().item<double>();
}

double largest_relative_gap(const at::Tensor& a, const at::Tensor& b) {
  return largest_gap(a, b) / at::abs(b).max().item<double>();
}

/// Three planes that test a direction each: (7y + 3x) mod 256, xy mod 251, (5x + 11) mod 256.
at::Tensor closed_form(int64_t height, int64_t width) {
  const at::Tensor y = at::arange(height, at::kLong).view({-1, 1}) + at::zeros({1, width}, at::kLong);
  const at::Tensor x = at::arange(width, at::kLong).view({1, -1}) + at::zeros({height, 1}, at::kLong);
  return at::stack({(7 * y + 3 * x).remainder(256), (y * x).remainder(251), (5 * x + 11).remainder(256)})
      .to(at::kByte)
      .unsqueeze(0);
}

}  // namespace

TEST_CASE("resize: torch-fidelity's TF1 resize", "[resize][oracle]") {
  const auto file = onestep::io::read_safetensors(ONESTEP_GOLDEN "/evaluation/resize.safetensors");
  for (const std::string size : {"32x32", "17x40", "64x64", "299x299"}) {
    INFO(size);
    const at::Tensor input = file.has(size + "/input") ? file.at(size + "/input") : closed_form(299, 299);
    const at::Tensor got = resized(input);
    if (file.has(size + "/output")) {
      CHECK(largest_gap(got, file.at(size + "/output")) < 2e-3);
    } else {
      const at::Tensor sample = got.slice(2, 0, 299, 7).slice(3, 0, 299, 7);
      CHECK(largest_gap(sample, file.at(size + "/output_stride7")) < 2e-3);
    }
    CHECK(largest_relative_gap(got.sum(3), file.at(size + "/row_sums")) < 5e-5);
    CHECK(largest_relative_gap(got.sum(2), file.at(size + "/col_sums")) < 5e-5);
  }
}

TEST_CASE("resize: a ramp stays a ramp up to the clamped edge", "[resize]") {
  const auto [height, width] = GENERATE(table<int64_t, int64_t>({{9, 251}, {250, 7}, {1, 1}}));
  const at::Tensor y = at::arange(height, at::kLong).view({-1, 1}) + at::zeros({1, width}, at::kLong);
  const at::Tensor x = at::arange(width, at::kLong).view({1, -1}) + at::zeros({height, 1}, at::kLong);
  const at::Tensor got = resized(at::stack({y, x, (y + x).clamp_max(255)}).to(at::kByte).unsqueeze(0))[0];
  const at::Tensor position = at::arange(299, at::kDouble);
  const at::Tensor rows = (position * static_cast<double>(height) / 299).clamp_max(height - 1.0);
  const at::Tensor columns = (position * static_cast<double>(width) / 299).clamp_max(width - 1.0);
  const at::Tensor flat = at::zeros({299, 299}, at::kDouble);
  CHECK(largest_gap(got[0], rows.view({-1, 1}) + flat) < 4e-5);
  CHECK(largest_gap(got[1], columns.view({1, -1}) + flat) < 4e-5);
}

TEST_CASE("resize: 299 × 299 images only change their range", "[resize]") {
  const at::Tensor images = closed_form(299, 299);
  CHECK(at::equal(resize_tf1(images), (images.to(at::kFloat) - 128) / 128));
  CHECK(at::equal(resize_tf1(noise({1, 3, 8, 5}), 8, 5), (noise({1, 3, 8, 5}).to(at::kFloat) - 128) / 128));
}

TEST_CASE("resize: grey is each of the three channels", "[resize]") {
  const at::Tensor grey = noise({2, 1, 28, 31});
  CHECK(at::equal(resize_tf1(grey), resize_tf1(at::cat({grey, grey, grey}, 1))));
}

TEST_CASE("resize: an image's pixels depend neither on its batch nor on threads", "[resize]") {
  const at::Tensor images = noise({7, 3, 33, 600});
  const at::Tensor all = resize_tf1(images);
  for (int64_t i = 0; i < 7; ++i) CHECK(at::equal(all[i], resize_tf1(images.narrow(0, i, 1))[0]));
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 3 : 1);
  CHECK(at::equal(all, resize_tf1(images)));
  at::set_num_threads(threads);
  CHECK(at::equal(all, resize_tf1(images.permute({0, 1, 3, 2}).contiguous().permute({0, 1, 3, 2}))));
  CHECK(resize_tf1(noise({0, 3, 4, 4})).sizes() == at::IntArrayRef({0, 3, 299, 299}));
}

TEST_CASE("resize: the CUDA kernel's pixels are the CPU's", "[resize][gpu]") {
  if (!cuda_ready()) return;
  for (const at::Tensor& images : {noise({3, 3, 32, 32}), noise({2, 1, 28, 28}), noise({2, 3, 17, 640})}) {
    CHECK(at::equal(resize_tf1(images.to(at::kCUDA)).cpu(), resize_tf1(images)));
  }
}

TEST_CASE("resize: refuses what it cannot resize", "[resize]") {
  CHECK_THROWS_WITH(resize_tf1(at::zeros({1, 2, 4, 4}, at::kByte)), Contains("1 or 3 channels"));
  CHECK_THROWS_WITH(resize_tf1(at::zeros({3, 4, 4}, at::kByte)), Contains("[B, C, H, W]"));
  CHECK_THROWS_WITH(resize_tf1(at::zeros({1, 3, 4, 4})), Contains("uint8"));
  CHECK_THROWS_WITH(resize_tf1(at::zeros({1, 3, 0, 4}, at::kByte)), Contains("cannot resize"));
  CHECK_THROWS_WITH(resize_tf1(at::zeros({1, 3, 4, 4}, at::kByte), 0, 4), Contains("cannot resize"));
}
