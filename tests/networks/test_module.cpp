// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "networks/layers.h"

using namespace onestep;

namespace {

struct Pair {
  Linear first, second;
  at::Tensor scale;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("first", m.first);
    visit("second", m.second);
    visit("scale", m.scale, kBuffer);
  }
};

Pair make_pair() {
  Initializer init{.seed = 1};
  return {.first = make_linear(init, 3, 2), .second = make_linear(init, 2, 1, false), .scale = at::ones({1})};
}

}  // namespace

TEST_CASE("Names, counts and copies follow the one visitor") {
  const Pair pair = make_pair();
  std::string names;
  for (const auto& [name, tensor] : named_tensors(pair)) names += name + " ";
  CHECK(names == "first.weight first.bias second.weight scale ");
  CHECK(parameter_count(pair) == 6 + 2 + 2);

  Pair copy = clone(pair, at::kCPU, at::kDouble);
  CHECK(copy.first.weight.scalar_type() == at::kDouble);
  copy.first.weight.zero_();
  CHECK(pair.first.weight.abs().sum().item<double>() > 0);
}

TEST_CASE("Flat parameters: values and gradients are views of two vectors") {
  Pair pair = make_pair();
  const at::Tensor before = pair.second.weight.clone();
  FlatParameters flat = flatten(pair);
  // [2, 3], [2] and [1, 2], each at a multiple of 64 bytes of the narrower of both types.
  REQUIRE(flat.values.numel() == 66);
  CHECK(pair.second.weight.equal(before));
  CHECK(flat.values.slice(0, 64, 66).equal(before.flatten()));

  forward(pair.first, at::ones({5, 3})).sum().backward();
  at::Tensor expected = at::zeros({66});
  expected.slice(0, 0, 6).fill_(5);
  expected.slice(0, 32, 34).fill_(5);
  CHECK(flat.gradients.equal(expected));                   // and nothing between
  forward(pair.first, at::ones({5, 3})).sum().backward();  // accumulates
  CHECK(flat.gradients.equal(2 * expected));

  flat.values.fill_(0.25);
  CHECK(pair.first.bias[1].item<double>() == 0.25);
  CHECK_FALSE(pair.scale.requires_grad());
}

TEST_CASE("Weights of convolutions lie channels-last in flat storage, with the same numbers") {
  Initializer init{.seed = 1};
  Conv2d conv = make_conv(init, {3, 4, 3});
  const at::Tensor before = conv.weight.clone();
  const FlatParameters flat = flatten(conv);
  CHECK(conv.weight.equal(before));
  CHECK(conv.weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(conv.weight.grad().is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(flat.values[1].item<float>() == before[0][1][0][0].item<float>());
}
