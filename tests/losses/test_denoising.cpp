// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "divergences/close.h"
#include "golden_file.h"
#include "losses/denoising.h"
#include "on_devices.h"

namespace onestep {
namespace {

DEVICE_TEST_CASE("the denoising loss is EDM's, summed over each sample's pixels", "[losses]") {
  const io::TensorFile edm = test::golden_file("losses/loss_edm", device);
  const at::Tensor loss = denoising_loss(edm.at("D_yn"), edm.at("y"), edm.at("weight"));
  CHECK(worst_relative_error(loss, edm.at("loss").flatten(1).sum(1)) < 5e-5);
  CHECK(relative_error(loss.sum().view(1), edm.at("loss_sum")) < 5e-5);
}

DEVICE_TEST_CASE("the fake network's loss is SiD's, with its gradients", "[losses]") {
  const io::TensorFile sid = test::golden_file("losses/sid_fake_score", device);
  const at::Tensor a = sid.at("a_fake").clone().requires_grad_(),
                   b = sid.at("b_fake").clone().requires_grad_();
  const at::Tensor sigma = sid.at("sigma");
  const at::Tensor x = sid.at("images") + sigma.view({-1, 1, 1, 1}) * sid.at("eps");
  const at::Tensor weight = (sigma.square() + 0.25) / (0.5 * sigma).square();
  const at::Tensor loss = denoising_loss(a * x + b, sid.at("images"), weight);
  CHECK(worst_relative_error(loss, sid.at("loss").flatten(1).sum(1)) < 1e-5);
  const auto gradients = torch::autograd::grad({loss.sum()}, {a, b});
  CHECK(relative_error(gradients[0], sid.at("grad_a")) < 1e-5);
  CHECK(relative_error(gradients[1], sid.at("grad_b")) < 1e-5);
}

DEVICE_TEST_CASE("without a weight it is the plain squared error, FastGen's but for the mean", "[losses]") {
  const io::TensorFile fastgen = test::golden_file("losses/fastgen_denoising", device);
  const at::Tensor loss = denoising_loss(fastgen.at("net_pred"), fastgen.at("x0"));
  CHECK(relative_error(loss.sum().view(1) / static_cast<double>(fastgen.at("x0").numel()),
                       fastgen.at("loss/x0")) < 1e-5);
}

TEST_CASE("gradient reaches the denoised image alone, and the sum is float32 at least") {
  const at::Tensor denoised = at::full({2, 3}, 1.0).requires_grad_(),
                   y = at::full({2, 3}, 0.5).requires_grad_();
  const at::Tensor weight = at::tensor({2.0, 4.0}).to(at::kFloat).requires_grad_();
  const at::Tensor loss = denoising_loss(denoised, y, weight);
  CHECK(loss.equal(at::tensor({1.5, 3.0}).to(at::kFloat)));
  const auto gradients = torch::autograd::grad({loss.sum()}, {denoised, y, weight}, {}, {}, false, true);
  CHECK(gradients[0].equal(at::tensor({2.0, 4.0}).to(at::kFloat).view({2, 1}).expand({2, 3})));
  CHECK_FALSE(gradients[1].defined());
  CHECK_FALSE(gradients[2].defined());
  // 4096 squares of 1/16: bfloat16 would stop adding at a sixteenth of 256.
  CHECK(denoising_loss(at::full({1, 4096}, 0.25, at::kBFloat16), at::full({1, 4096}, 0.0)).item<double>() ==
        256);
}

TEST_CASE("shapes that differ are refused") {
  const at::Tensor image = at::full({2, 3}, 1.0);
  CHECK_THROWS_WITH(denoising_loss(image, at::full({2, 1}, 0.0)), Catch::Contains("must be the same"));
  CHECK_THROWS_WITH(denoising_loss(image, image, at::full({2, 1}, 0.0)), Catch::Contains("weights must be"));
}

}  // namespace
}  // namespace onestep
