// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "kernels/conv_inputs.h"
#include "kernels/prepared_conv.h"
#include "kernels/prepared_conv_core.h"
#include "kernels/winograd_target.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;

namespace {

/// A kernel with the error of its algorithm on 128 channels, relative to the result's (measured: a third).
struct Kernel {
  std::array<int64_t, 2> size;
  double error;
};
const std::vector<Kernel> kKernels{{{3, 3}, 2e-6}, {{5, 5}, 2e-6}, {{1, 7}, 6e-6},
                                   {{7, 1}, 6e-6}, {{1, 3}, 2e-6}, {{3, 1}, 2e-6}};

/// Every remainder of tiles, of vectors and of rows.
const std::vector<Sizes> kSizes{
    {2, 16, 16, 17, 17}, {1, 48, 80, 8, 8}, {3, 17, 19, 9, 13}, {1, 20, 33, 7, 10}, {2, 128, 96, 11, 12}};

struct Case {
  at::Tensor x, weight, bias;
};

Case make_case(const Sizes& s, const Kernel& kernel) {
  return {channels_last(normal(1, {s.images, s.in, s.height, s.width})),
          normal(2, {s.out, s.in, kernel.size[0], kernel.size[1]}), normal(3, {s.out, 1}).flatten()};
}

at::Tensor exact(const Case& c, std::array<int64_t, 2> padding) {
  return at::conv2d(c.x.to(at::kDouble), c.weight.to(at::kDouble), c.bias.to(at::kDouble), {1, 1}, padding)
      .relu();
}

/// Root of the mean square of the difference, relative to the reference's.
double error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).square().mean() / expected.square().mean()).sqrt().item<double>();
}

/// The same on the instructions of one target.
at::Tensor run_on(WinogradTarget target, const Case& c, std::array<int64_t, 2> padding) {
  const PreparedShape shape{.in = c.x.size(1),
                            .out = c.weight.size(0),
                            .taps_down = c.weight.size(2),
                            .taps_across = c.weight.size(3),
                            .border_down = padding[0],
                            .border_across = padding[1],
                            .images = c.x.size(0),
                            .height = c.x.size(2),
                            .width = c.x.size(3)};
  const at::Tensor weights = at::empty({prepared_weights_size(target, shape)});
  prepare_weights_cpu(target, shape, c.weight.const_data_ptr<float>(), weights.mutable_data_ptr<float>());
  const at::Tensor y =
      channels_last(at::empty({shape.images, shape.out, shape.height_out(), shape.width_out()}));
  prepared_conv_cpu(target, shape, c.x.const_data_ptr<float>(), weights.const_data_ptr<float>(),
                    c.bias.const_data_ptr<float>(), y.mutable_data_ptr<float>());
  return y;
}

}  // namespace

TEST_CASE(
    "a prepared convolution equals the direct one with bias and ReLU, padded or not, on each set of "
    "instructions",
    "[prepared_conv]") {
  for (const Kernel& kernel : kKernels) {
    for (const Sizes& s : kSizes) {
      const Case c = make_case(s, kernel);
      for (const auto& padding : {std::array<int64_t, 2>{0, 0}, {kernel.size[0] / 2, kernel.size[1] / 2}}) {
        INFO(kernel.size[0] << " x " << kernel.size[1] << ", padding " << padding[0] << ", " << padding[1]
                            << ", " << s.in << " to " << s.out << " channels of " << s.height << " x "
                            << s.width);
        const at::Tensor expected = exact(c, padding);
        const auto prepared = prepare_conv(c.weight, c.bias, padding);
        REQUIRE(prepared);
        const at::Tensor y = conv_relu(*prepared, c.x);
        CHECK(y.is_contiguous(at::MemoryFormat::ChannelsLast));
        CHECK(error(y, expected) < kernel.error);
        std::vector<at::Tensor> seen;
        for (int t = 0; t <= static_cast<int>(winograd_target()); ++t) {
          seen.push_back(run_on(static_cast<WinogradTarget>(t), c, padding));
          CHECK(error(seen.back(), expected) < kernel.error);
        }
        CHECK(seen.back().equal(y));
        if (seen.size() == 3) CHECK(seen[1].equal(seen[2]));  // AVX2 and AVX-512: the same bits
      }
    }
  }
}

TEST_CASE(
    "a prepared convolution: an image's bits depend neither on its batch nor on threads nor on its layout",
    "[prepared_conv]") {
  const int threads = at::get_num_threads();
  for (const Kernel& kernel : kKernels) {
    const Case c = make_case({13, 32, 48, 17, 17}, kernel);
    const PreparedConv m = *prepare_conv(c.weight, c.bias, {kernel.size[0] / 2, kernel.size[1] / 2});
    at::set_num_threads(1);
    const at::Tensor whole = conv_relu(m, c.x);
    at::set_num_threads(3);
    CHECK(conv_relu(m, c.x.contiguous()).equal(whole));
    at::set_num_threads(threads);
    for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 1}, {3, 2}, {12, 1}, {5, 7}})
      CHECK(conv_relu(m, c.x.narrow(0, begin, count)).equal(whole.narrow(0, begin, count)));
  }
}

TEST_CASE("a prepared convolution: what is not a number stays one, in its tile and image",
          "[prepared_conv]") {
  const Case c = make_case({2, 16, 16, 8, 8}, kKernels[0]);
  const PreparedConv m = *prepare_conv(c.weight, c.bias, {1, 1});
  c.x[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor finite = at::isfinite(conv_relu(m, c.x));
  CHECK_FALSE(finite[0].narrow(1, 0, 3).narrow(2, 0, 3).any().item<bool>());
  CHECK(finite[0].narrow(1, 4, 4).narrow(2, 4, 4).all().item<bool>());
  CHECK(finite[1].all().item<bool>());
}

TEST_CASE("a prepared convolution: which are left to the library, and what does not fit", "[prepared_conv]") {
  const auto prepared = [](int64_t in, int64_t out, int64_t height, int64_t width) {
    return prepare_conv(at::zeros({out, in, height, width}), at::zeros({out}), {0, 0}).has_value();
  };
  for (const Kernel& kernel : kKernels) CHECK(prepared(16, 16, kernel.size[0], kernel.size[1]));
  CHECK_FALSE(prepared(64, 64, 1, 1));
  CHECK_FALSE(prepared(64, 64, 7, 7));
  CHECK_FALSE(prepared(3, 64, 3, 3));
  const at::Tensor weight = at::zeros({16, 16, 3, 3}), bias = at::zeros({16});
  CHECK_THROWS_WITH(prepare_conv(weight.to(at::kDouble), bias, {1, 1}),
                    Contains("prepare_conv: needs float32"));
  CHECK_THROWS_WITH(prepare_conv(weight, at::zeros({15}), {1, 1}), Contains("[15]"));
  const PreparedConv m = *prepare_conv(weight, bias, {0, 0});
  CHECK_THROWS_WITH(conv_relu(m, at::zeros({1, 16, 8, 8}, at::kDouble)), Contains("must be float32"));
  CHECK_THROWS_WITH(conv_relu(m, at::zeros({1, 15, 8, 8})), Contains("[N, 16, H, W]"));
  CHECK_THROWS_WITH(conv_relu(m, at::zeros({1, 16, 2, 8})), Contains("smaller than the kernel"));
  CHECK(conv_relu(m, at::zeros({0, 16, 8, 8})).sizes() == at::IntArrayRef({0, 16, 6, 6}));
}
