// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "kernels/linear.h"
#include "kernels/philox.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

at::Tensor normal(uint32_t purpose, at::IntArrayRef shape) {
  return kernels::philox_normal(1, purpose, at::arange(shape[0], at::kLong), shape.slice(1), at::kCPU,
                                at::kFloat);
}

struct Case {
  at::Tensor x, weight, bias, grad_y;
};

/// x of this shape, [N, in] or [N, in, H, W].
Case make_case(std::vector<int64_t> shape, int64_t out) {
  std::vector<int64_t> weight{out, shape[1]};
  if (shape.size() == 4) weight.insert(weight.end(), {1, 1});
  const at::Tensor x = normal(1, shape);
  shape[1] = out;
  return {x, normal(2, weight), normal(3, {out, 1}).flatten(), normal(4, shape)};
}

struct Results {
  at::Tensor y, grad_x, grad_weight, grad_bias;
};

template <class Layer>
Results differentiated(const Case& c, at::ScalarType dtype, const Layer& layer) {
  const auto leaf = [&](const at::Tensor& t) { return t.to(dtype).detach().clone().requires_grad_(); };
  const at::Tensor x = leaf(c.x), weight = leaf(c.weight), bias = leaf(c.bias);
  const at::Tensor y = layer(x, weight, bias);
  y.backward(c.grad_y.to(dtype));
  return {y.detach(), x.grad(), weight.grad(), bias.grad()};
}

at::Tensor library(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return x.dim() == 4 ? at::conv2d(x, weight, bias) : at::linear(x, weight, bias);
}

/// Root of the mean square of the difference, relative to the reference's.
double error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).square().mean() / expected.square().mean()).sqrt().item<double>();
}

}  // namespace

TEST_CASE("A linear layer and a 1 x 1 convolution equal the library's in float64, gradients too",
          "[linear]") {
  // Every remainder of rows; rows in one, two and many parts.
  for (const auto& [shape, out] :
       std::vector<std::pair<std::vector<int64_t>, int64_t>>{{{1, 16}, 16},
                                                             {{5, 32}, 48},
                                                             {{16, 64}, 16},
                                                             {{128, 16}, 32},
                                                             {{131, 48}, 16},
                                                             {{3, 16, 7, 9}, 32},
                                                             {{2, 64, 14, 14}, 16},
                                                             {{1, 32, 1, 1}, 96}}) {
    INFO("x " << at::IntArrayRef(shape) << " to " << out);
    const Case c = make_case(shape, out);
    const Results ours = differentiated(c, at::kFloat, kernels::linear),
                  exact = differentiated(c, at::kDouble, library);
    CHECK(error(ours.y, exact.y) < 4e-7);
    CHECK(error(ours.grad_x, exact.grad_x) < 4e-7);
    CHECK(error(ours.grad_weight, exact.grad_weight) < 1e-6);
    CHECK(error(ours.grad_bias, exact.grad_bias) < 1e-6);
    if (shape.size() == 4) CHECK(ours.y.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST_CASE("linear: a row's bits depend neither on its batch nor on threads nor on its layout", "[linear]") {
  const auto shape = GENERATE(std::vector<int64_t>{23, 32}, std::vector<int64_t>{23, 64, 14, 14});
  const Case c = make_case(shape, 48);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Results whole = differentiated(c, at::kFloat, kernels::linear);
  for (const int other : {2, 3}) {
    at::set_num_threads(other);
    Case again = c;
    if (shape.size() == 4) {
      again.x = c.x.contiguous(at::MemoryFormat::ChannelsLast);
      again.grad_y = c.grad_y.contiguous(at::MemoryFormat::ChannelsLast);
    }
    const Results other_way = differentiated(again, at::kFloat, kernels::linear);
    CHECK(other_way.y.equal(whole.y));
    CHECK(other_way.grad_x.equal(whole.grad_x));
    CHECK(other_way.grad_weight.equal(whole.grad_weight));
    CHECK(other_way.grad_bias.equal(whole.grad_bias));
  }
  at::set_num_threads(threads);
  for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 1}, {3, 2}, {22, 1}, {5, 7}}) {
    const Results part =
        differentiated({c.x.narrow(0, begin, count), c.weight, c.bias, c.grad_y.narrow(0, begin, count)},
                       at::kFloat, kernels::linear);
    CHECK(part.y.equal(whole.y.narrow(0, begin, count)));
    CHECK(part.grad_x.equal(whole.grad_x.narrow(0, begin, count)));
  }
}

TEST_CASE("linear: gradients come for what asks for them, with and without a bias", "[linear]") {
  const Case c = make_case({2, 16, 3, 3}, 32);
  const at::Tensor weight = c.weight.detach().clone().requires_grad_(),
                   x = c.x.detach().clone().requires_grad_();
  kernels::linear(c.x, weight, c.bias).sum().backward();
  CHECK(weight.grad().defined());
  kernels::linear(x, c.weight, {}).sum().backward();
  CHECK(x.grad().defined());
  CHECK(kernels::linear(c.x, c.weight, {}).equal(kernels::linear(c.x, c.weight, at::zeros({32}))));
  CHECK_FALSE(kernels::linear(c.x, c.weight, c.bias).requires_grad());
}

TEST_CASE("linear: a gradient can be differentiated", "[linear]") {
  const auto shape = GENERATE(std::vector<int64_t>{5, 16}, std::vector<int64_t>{2, 16, 5, 3});
  const Case c = make_case(shape, 32);
  const auto penalty = [&](const auto& layer, at::ScalarType dtype) {
    const auto leaf = [&](const at::Tensor& t) { return t.to(dtype).detach().clone().requires_grad_(); };
    const at::Tensor x = leaf(c.x), weight = leaf(c.weight), bias = leaf(c.bias);
    const at::Tensor y = layer(x, weight, bias).square().sum();
    const at::Tensor grad =
        torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
    return torch::autograd::grad({grad.square().sum()}, {x, weight, bias});
  };
  const auto exact = penalty(library, at::kDouble), ours = penalty(kernels::linear, at::kFloat);
  for (size_t i = 0; i < exact.size(); ++i) CHECK(error(ours[i], exact[i]) < 1e-5);
}

TEST_CASE("linear: what is not finite stays in its row", "[linear]") {
  Case c = make_case({2, 16, 4, 4}, 16);
  c.x[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor finite = at::isfinite(kernels::linear(c.x, c.weight, c.bias)).all(1);
  CHECK_FALSE(finite[0][1][1].item<bool>());
  CHECK(finite.sum().item<int64_t>() == 2 * 16 - 1);
}

TEST_CASE("linear: where it is preferred", "[linear]") {
  const auto prefers = [](int64_t in, int64_t out) {
    return kernels::prefers_linear(at::zeros({2, in}), at::zeros({out, in})) &&
           kernels::prefers_linear(at::zeros({2, in, 3, 3}), at::zeros({out, in, 1, 1}));
  };
  CHECK(prefers(16, 16));
  CHECK(prefers(64, 48));
  CHECK_FALSE(prefers(16, 20));
  CHECK_FALSE(prefers(10, 16));
  CHECK_FALSE(prefers(1024, 1024));
  const at::Tensor x = at::zeros({2, 16}), weight = at::zeros({16, 16});
  CHECK_FALSE(kernels::prefers_linear(x.to(at::kDouble), weight.to(at::kDouble)));
  CHECK_FALSE(kernels::prefers_linear(x.to(at::kBFloat16), weight.to(at::kBFloat16)));
  CHECK_FALSE(kernels::prefers_linear(x.to(at::kMeta), weight));
  CHECK_FALSE(kernels::prefers_linear(at::zeros({2, 5, 16}), weight));
  CHECK_FALSE(kernels::prefers_linear(at::zeros({2, 16, 3, 3}), at::zeros({16, 16, 3, 3})));
}

TEST_CASE("linear: what does not fit is an error, no rows are none", "[linear]") {
  const at::Tensor x = at::zeros({2, 16}), weight = at::zeros({32, 16}), bias = at::zeros({32});
  CHECK_THROWS_WITH(kernels::linear(x.to(at::kDouble), weight, bias), Contains("all must be float32"));
  CHECK_THROWS_WITH(kernels::linear(x, weight, bias.to(at::kDouble)), Contains("all must be float32"));
  CHECK_THROWS_WITH(kernels::linear(at::zeros({2, 48}), weight, bias), Contains("[32, 16]"));
  CHECK_THROWS_WITH(kernels::linear(x, at::zeros({20, 16}), bias), Contains("multiples of 16"));
  CHECK_THROWS_WITH(kernels::linear(x, weight, at::zeros({16})), Contains("bias must be [32]"));
  for (const auto& shape : {std::vector<int64_t>{0, 16}, std::vector<int64_t>{0, 16, 4, 4}}) {
    const Results none = differentiated(make_case(shape, 32), at::kFloat, kernels::linear);
    CHECK(none.y.size(1) == 32);
    CHECK(none.grad_weight.eq(0).all().item<bool>());
    CHECK(none.grad_bias.eq(0).all().item<bool>());
  }
}
