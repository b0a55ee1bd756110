// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/Version.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "kernels/conv_inputs.h"
#include "kernels/winograd_conv.h"
#include "kernels/winograd_conv_core.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;

namespace {

struct Case {
  at::Tensor x, weight, bias, grad_y;
};

Case make_case(const Sizes& s) {
  return {channels_last(normal(1, {s.images, s.in, s.height, s.width})), normal(2, {s.out, s.in, 3, 3}),
          normal(3, {s.out, 1}).flatten(), channels_last(normal(4, {s.images, s.out, s.height, s.width}))};
}

struct Results {
  at::Tensor y, grad_x, grad_weight, grad_bias;
};

template <class Conv>
Results differentiated(const Case& c, at::ScalarType dtype, const Conv& conv) {
  const auto leaf = [&](const at::Tensor& t) { return t.to(dtype).detach().clone().requires_grad_(); };
  const at::Tensor x = leaf(c.x), weight = leaf(c.weight), bias = leaf(c.bias);
  const at::Tensor y = conv(x, weight, bias);
  y.backward(c.grad_y.to(dtype));
  return {y.detach(), x.grad(), weight.grad(), bias.grad()};
}

at::Tensor library(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::conv2d(x, weight, bias, {1, 1}, {1, 1});
}

/// Root of the mean square of the difference, relative to the reference's.
double error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).square().mean() / expected.square().mean()).sqrt().item<double>();
}

/// The instructions that this machine has, as far as ATen is to use them.
std::vector<WinogradTarget> targets() {
  const std::string capability = at::get_cpu_capability();
  std::vector<WinogradTarget> all{WinogradTarget::baseline};
  if (capability == "AVX2" || capability == "AVX512") all.push_back(WinogradTarget::avx2);
  if (capability == "AVX512") all.push_back(WinogradTarget::avx512);
  return all;
}

/// The three passes on one target's instructions.
Results run_on(WinogradTarget target, const Sizes& s, const Case& c) {
  Results r{at::empty_like(c.grad_y), at::empty_like(c.x), at::empty_like(c.weight), {}};
  const at::Tensor& w = c.weight;
  const WinogradShape shape{s.images, s.height, s.width,
                            s.in,     s.out,    {w.stride(0), w.stride(1), w.stride(3)}};
  const auto* x = c.x.const_data_ptr<float>();
  const auto* weight = c.weight.const_data_ptr<float>();
  const auto* grad_y = c.grad_y.const_data_ptr<float>();
  winograd_conv_cpu(target, shape, x, weight, c.bias.const_data_ptr<float>(), r.y.mutable_data_ptr<float>());
  winograd_conv_grad_x_cpu(target, shape, grad_y, weight, r.grad_x.mutable_data_ptr<float>());
  winograd_conv_grad_weight_cpu(target, shape, x, grad_y, r.grad_weight.mutable_data_ptr<float>());
  return r;
}

/// Every remainder of tiles, of vectors and of rows: images smaller than a tile, channels that fill no
/// vector.
const std::vector<Sizes> kSizes{
    {2, 16, 16, 8, 8},  {3, 16, 32, 14, 14},  {5, 32, 16, 7, 7},  {2, 64, 64, 16, 16}, {1, 48, 80, 4, 4},
    {2, 3, 5, 9, 13},   {1, 1, 1, 1, 1},      {1, 7, 33, 1, 10},  {2, 40, 24, 11, 1},  {1, 17, 19, 2, 3},
    {13, 20, 12, 6, 5}, {1, 128, 96, 16, 12}, {9, 36, 36, 20, 20}};

}  // namespace

TEST_CASE("Winograd's convolution equals the direct one, gradients too, on each set of instructions",
          "[winograd_conv]") {
  for (const Sizes& s : kSizes) {
    INFO(s.images << " images, " << s.in << " to " << s.out << " channels of " << s.height << " x "
                  << s.width);
    const Case c = make_case(s);
    const Results exact = differentiated(c, at::kDouble, library);
    const Results ours = differentiated(c, at::kFloat, winograd_conv);
    CHECK(ours.y.is_contiguous(at::MemoryFormat::ChannelsLast));
    CHECK(error(ours.grad_bias, exact.grad_bias) < 1e-6);
    for (const WinogradTarget target : targets()) {
      INFO("target " << static_cast<int>(target));
      const Results r = run_on(target, s, c);
      CHECK(error(r.y, exact.y) < 2e-6);
      CHECK(error(r.grad_x, exact.grad_x) < 2e-6);
      CHECK(error(r.grad_weight, exact.grad_weight) < 2e-6);
      if (target == targets().back()) {
        CHECK(r.y.equal(ours.y));
        CHECK(r.grad_x.equal(ours.grad_x));
        CHECK(r.grad_weight.equal(ours.grad_weight));
      }
    }
  }
}

TEST_CASE("Winograd's convolution rounds at most four times as much as the direct one", "[winograd_conv]") {
  for (const Sizes& s : {Sizes{4, 16, 16, 14, 14}, {2, 64, 64, 16, 16}, {2, 256, 256, 8, 8}}) {
    INFO(s.in << " channels");
    const Case c = make_case(s);
    const Results exact = differentiated(c, at::kDouble, library);
    const Results ours = differentiated(c, at::kFloat, winograd_conv);
    // The library's passes differ by machine; its forward one is what both of ours are measured by.
    const double direct = error(library(c.x, c.weight, c.bias), exact.y);
    CHECK(error(ours.y, exact.y) < 4 * direct);
    CHECK(error(ours.grad_x, exact.grad_x) < 4 * direct);
    CHECK(error(ours.grad_weight, exact.grad_weight) < 1.5e-6);
  }
}

TEST_CASE("Winograd's convolution has the same bits with AVX2 and AVX-512", "[winograd_conv]") {
  if (targets().size() < 3) {
    WARN("skipped: this machine has no AVX-512");
    return;
  }
  for (const Sizes& s : kSizes) {
    const Case c = make_case(s);
    const Results a = run_on(WinogradTarget::avx2, s, c), b = run_on(WinogradTarget::avx512, s, c);
    CHECK(a.y.equal(b.y));
    CHECK(a.grad_x.equal(b.grad_x));
    CHECK(a.grad_weight.equal(b.grad_weight));
  }
}

TEST_CASE(
    "Winograd's convolution: an image's bits depend neither on its batch nor on threads nor on its layout",
    "[winograd_conv]") {
  const Sizes s = GENERATE(Sizes{23, 20, 40, 14, 14}, Sizes{37, 64, 64, 7, 7}, Sizes{12, 128, 32, 16, 16});
  const Case c = make_case(s);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Results whole = differentiated(c, at::kFloat, winograd_conv);
  for (const int other : {2, 3}) {
    at::set_num_threads(other);
    const Results again = differentiated({c.x.contiguous(), c.weight, c.bias, c.grad_y.contiguous()},
                                         at::kFloat, winograd_conv);
    CHECK(again.y.equal(whole.y));
    CHECK(again.grad_x.equal(whole.grad_x));
    CHECK(again.grad_weight.equal(whole.grad_weight));
  }
  at::set_num_threads(threads);
  for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 1}, {3, 2}, {s.images - 1, 1}, {5, 7}}) {
    const Results part =
        differentiated({c.x.narrow(0, begin, count), c.weight, c.bias, c.grad_y.narrow(0, begin, count)},
                       at::kFloat, winograd_conv);
    CHECK(part.y.equal(whole.y.narrow(0, begin, count)));
    CHECK(part.grad_x.equal(whole.grad_x.narrow(0, begin, count)));
  }
}

TEST_CASE("Winograd's convolution in bfloat16 is float32's of the same numbers, rounded once",
          "[winograd_conv]") {
  for (const Sizes& s : {Sizes{2, 20, 24, 7, 9}, Sizes{3, 16, 32, 8, 8}}) {
    Case c = make_case(s);
    for (at::Tensor* t : {&c.x, &c.weight, &c.bias, &c.grad_y}) *t = t->to(at::kBFloat16);
    const auto leaf = [](const at::Tensor& t) { return t.detach().clone().requires_grad_(); };
    const auto pass = [&](at::ScalarType dtype) {
      const auto wide = [&](const at::Tensor& t) { return leaf(t.to(dtype)); };
      const at::Tensor x = wide(c.x), weight = wide(c.weight), bias = wide(c.bias);
      for (const at::Tensor& t : {weight, bias}) t.set_grad_dtype(at::kFloat);
      const at::Tensor y = winograd_conv(x, weight, bias);
      y.backward(c.grad_y.to(dtype));
      return Results{y.detach(), x.grad(), weight.grad(), bias.grad()};
    };
    const Results narrow = pass(at::kBFloat16), wide = pass(at::kFloat);
    CHECK(narrow.y.equal(wide.y.to(at::kBFloat16)));
    CHECK(narrow.grad_x.equal(wide.grad_x.to(at::kBFloat16)));
    CHECK(narrow.grad_weight.equal(wide.grad_weight));
    CHECK(error(narrow.grad_bias, wide.grad_bias.to(at::kDouble)) < 1e-6);
  }
}

TEST_CASE("Winograd's convolution: weights and their gradient may lie in either layout", "[winograd_conv]") {
  const Case planes = make_case({2, 20, 24, 7, 9});
  Case pixels = planes;
  pixels.weight = channels_last(planes.weight);
  const Results a = differentiated(planes, at::kFloat, winograd_conv),
                b = differentiated(pixels, at::kFloat, winograd_conv);
  CHECK(a.y.equal(b.y));
  CHECK(a.grad_x.equal(b.grad_x));
  CHECK(a.grad_weight.equal(b.grad_weight));
  CHECK(b.grad_weight.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_CASE("Winograd's convolution: gradients come for what asks for them, with and without a bias",
          "[winograd_conv]") {
  const Case c = make_case({2, 16, 16, 8, 8});
  const at::Tensor weight = c.weight.detach().clone().requires_grad_(),
                   x = c.x.detach().clone().requires_grad_();
  winograd_conv(c.x, weight, c.bias).sum().backward();
  CHECK(weight.grad().defined());
  winograd_conv(x, c.weight, {}).sum().backward();
  CHECK(x.grad().defined());
  CHECK(winograd_conv(c.x, c.weight, {}).equal(winograd_conv(c.x, c.weight, at::zeros({16}))));
  CHECK_FALSE(winograd_conv(c.x, c.weight, c.bias).requires_grad());
}

TEST_CASE("Winograd's convolution: a gradient can be differentiated", "[winograd_conv]") {
  const Case c = make_case({2, 4, 6, 5, 5});
  const auto penalty = [&](const auto& conv, at::ScalarType dtype) {
    const auto leaf = [&](const at::Tensor& t) { return t.to(dtype).detach().clone().requires_grad_(); };
    const at::Tensor x = leaf(c.x), weight = leaf(c.weight), bias = leaf(c.bias);
    const at::Tensor y = conv(x, weight, bias).square().sum();
    const at::Tensor grad =
        torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
    return torch::autograd::grad({grad.square().sum()}, {x, weight, bias});
  };
  const auto exact = penalty(library, at::kDouble), ours = penalty(winograd_conv, at::kFloat);
  for (size_t i = 0; i < exact.size(); ++i) CHECK(error(ours[i], exact[i]) < 1e-5);
}

TEST_CASE("Winograd's convolution: what is not finite stays in its tile and image", "[winograd_conv]") {
  const auto bad = GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
  Case c = make_case({2, 16, 16, 8, 8});
  c.x[0][3][1][1] = bad;
  const at::Tensor finite = at::isfinite(winograd_conv(c.x, c.weight, c.bias));
  CHECK_FALSE(finite[0].narrow(1, 0, 3).narrow(2, 0, 3).any().item<bool>());
  CHECK(finite[0].narrow(1, 4, 4).narrow(2, 4, 4).all().item<bool>());
  CHECK(finite[1].all().item<bool>());
}

TEST_CASE("Winograd's convolution: where it is preferred", "[winograd_conv]") {
  const auto prefers = [](int64_t in, int64_t out, int64_t height, int64_t width) {
    return prefers_winograd(at::zeros({1, in, height, width}), at::zeros({out, in, 3, 3}));
  };
  for (const int64_t size : {3, 4, 6, 7, 8, 14, 16, 28, 32, 64}) CHECK(prefers(16, 16, size, size));
  for (const int64_t size : {1, 2, 5}) CHECK_FALSE(prefers(64, 64, size, size));
  CHECK_FALSE(prefers(64, 64, 16, 1));
  CHECK_FALSE(prefers(3, 128, 32, 32));
  CHECK(prefers(128, 3, 32, 32));
  const at::Tensor x = at::zeros({1, 16, 8, 8});
  CHECK_FALSE(prefers_winograd(x, at::zeros({16, 16, 1, 1})));
  CHECK_FALSE(prefers_winograd(x.to(at::kDouble), at::zeros({16, 16, 3, 3})));
  CHECK(prefers_winograd(x.to(at::kBFloat16), at::zeros({16, 16, 3, 3}, at::kBFloat16)));
  CHECK_FALSE(prefers_winograd(x.to(at::kBFloat16), at::zeros({16, 16, 3, 3})));
  CHECK_FALSE(prefers_winograd(x.to(at::kMeta), at::zeros({16, 16, 3, 3})));
}

TEST_CASE("Winograd's convolution: what does not fit is an error, no images are none", "[winograd_conv]") {
  const at::Tensor x = at::zeros({2, 8, 4, 4}), weight = at::zeros({6, 8, 3, 3}), bias = at::zeros({6});
  CHECK_THROWS_WITH(winograd_conv(x.to(at::kDouble), weight, bias),
                    Contains("all must be float32, or all bfloat16"));
  CHECK_THROWS_WITH(winograd_conv(x, weight.to(at::kDouble), bias),
                    Contains("all must be float32, or all bfloat16"));
  CHECK_THROWS_WITH(winograd_conv(x[0], weight, bias), Contains("[N, in, H, W]"));
  CHECK_THROWS_WITH(winograd_conv(x, at::zeros({6, 7, 3, 3}), bias), Contains("[6, 7, 3, 3]"));
  CHECK_THROWS_WITH(winograd_conv(x, at::zeros({6, 8, 1, 1}), bias), Contains("[out, in, 3, 3]"));
  CHECK_THROWS_WITH(winograd_conv(x, weight, at::zeros({5})), Contains("bias must be [6]"));
  const at::Tensor none = at::empty({0, 8, 4, 4}).requires_grad_();
  const at::Tensor y = winograd_conv(none, weight, bias);
  CHECK(y.sizes() == at::IntArrayRef{0, 6, 4, 4});
  y.sum().backward();
  CHECK(none.grad().size(0) == 0);
}
