// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "kernels/philox.h"
#include "networks/guidance.h"

using namespace onestep;
using test::relative_error;

namespace {

Denoiser network(int64_t label_dim) {
  Denoiser d = make_denoiser({.network = MlpConfig{.dim = 2, .label_dim = label_dim, .width = 16}}, 5);
  std::get<Mlp>(std::get<PreconditionedNetwork>(d.form).network).output.weight.mul_(1e5);
  return d;
}

const at::Tensor kX = kernels::philox_normal(1, 0, at::arange(3), {2, 1, 1}, at::kCPU);
const at::Tensor kSigma = at::tensor({0.2f, 1.0f, 5.0f});

}  // namespace

TEST_CASE("Guidance goes on from the unconditional denoiser through the conditional one") {
  const Denoiser d = network(3);
  const at::Tensor labels = at::eye(3);
  const at::Tensor with = denoise(d, kX, kSigma, Condition{labels}),
                   without = denoise(d, kX, kSigma, Condition{at::zeros({3, 3})});
  REQUIRE(relative_error(with, without) > 1e-2);
  const auto guided = [&](double w) {
    return forward_guided(d, kX, kSigma, {.condition = {labels}}, w).denoised;
  };
  CHECK(guided(1).equal(with));
  CHECK(relative_error(guided(0), without) < 1e-6);
  for (const double w : {0.5, 2.0, 7.5})
    CHECK(relative_error(guided(w), w * with + (1 - w) * without) < 1e-5);
}

TEST_CASE("Guidance of the first channels alone leaves the others as the condition has them") {
  const Denoiser d = network(3);
  const at::Tensor labels = at::eye(3), with = denoise(d, kX, kSigma, Condition{labels});
  const auto guided = [&](const Guidance& guidance) {
    return forward_guided(d, kX, kSigma, {.condition = {labels}}, guidance).denoised;
  };
  const at::Tensor one = guided({4, 1}), both = guided(4);
  CHECK(one.narrow(1, 0, 1).equal(both.narrow(1, 0, 1)));
  CHECK(relative_error(one.narrow(1, 1, 1), with.narrow(1, 1, 1)) < 1e-6);
  CHECK_FALSE(one.equal(both));
  CHECK(guided({4, 2}).equal(both));
  CHECK(guided({4, 5}).equal(both));
}

TEST_CASE("Guidance sees the features of the pass with classes, and passes gradient on") {
  const Denoiser d = network(3);
  const at::Tensor labels = at::eye(3), x = kX.clone().requires_grad_();
  CHECK(forward_guided(d, kX, kSigma, {.condition = {labels}}, 3).features.empty());
  const DenoiserOutput seen = forward_guided(d, x, kSigma, {.condition = {labels}}, 3, {"hidden"});
  REQUIRE(seen.features.size() == 1);
  CHECK(relative_error(seen.features[0],
                       forward(d, kX, kSigma, {.condition = {labels}}, {.taps = {"hidden"}}).features[0]) <
        1e-6);

  seen.denoised.sum().backward();
  const auto slope = [&](const at::Tensor& classes) {
    const at::Tensor leaf = kX.clone().requires_grad_();
    denoise(d, leaf, kSigma, Condition{classes}).sum().backward();
    return leaf.grad();
  };
  CHECK(relative_error(x.grad(), 3 * slope(labels) - 2 * slope(at::zeros({3, 3}))) < 1e-5);
}

TEST_CASE("Without classes there is nothing to guide") {
  const Denoiser d = network(0);
  CHECK(forward_guided(d, kX, kSigma, {}, 1).denoised.equal(denoise(d, kX, kSigma, Condition())));
  CHECK_THROWS_WITH(forward_guided(d, kX, kSigma, {}, 2), Catch::Contains("class-conditional"));
  CHECK_THROWS_WITH(forward_guided(network(3), kX, kSigma, {}, 0), Catch::Contains("guidance 0"));
}
