// SPDX-License-Identifier: Apache-2.0
// What SiDA's fake-score network learns, λ(σ) (Σ e² + ½ (BCE_real + BCE_student)) through one encoder,
// against numbers that scripts/golden_sida.py derives without any of this code.
#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/tanh.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "closeness.h"
#include "golden_file.h"
#include "losses/adversarial.h"
#include "losses/denoising.h"
#include "noise/preconditioning.h"
#include "noise/weighting.h"
#include "on_devices.h"

namespace onestep {
namespace {

using test::relative_error;

/// tanh(W c_in x + b + v c_noise) at every pixel, [N, K, H, W].
at::Tensor features_at(const std::map<std::string, at::Tensor>& p, const at::Tensor& x,
                       const Coefficients& at_sigma) {
  const auto channels = [](const at::Tensor& t) { return t.view({1, -1, 1, 1}); };
  const at::Tensor level = at_sigma.c_noise.view({-1, 1, 1, 1});
  return at::tanh(at::einsum("kc,nchw->nkhw", {p.at("W"), at_sigma.c_in * x}) + channels(p.at("b")) +
                  channels(p.at("v")) * level);
}

DEVICE_TEST_CASE("SiDA: the fake score and the discriminator in its encoder, values and gradients",
                 "[losses]") {
  const io::TensorFile file = test::golden_file("losses/sida_fake_score", device);
  const double sigma_data = nlohmann::json::parse(file.metadata.at("case")).at("sigma_data");
  std::map<std::string, at::Tensor> p;
  for (const char* name : {"W", "b", "v", "U"}) p[name] = file.at(name).clone().requires_grad_();
  const at::Tensor y = file.at("y"), sigma = file.at("sigma");
  const Coefficients at_sigma = coefficients(make_preconditioning({.sigma_data = sigma_data}), sigma);
  const auto noisy = [&](const char* clean, const char* noise) {
    return file.at(clean) + sigma.view({-1, 1, 1, 1}) * file.at(noise);
  };
  const at::Tensor x = noisy("y", "eps");
  const at::Tensor seen = features_at(p, x, at_sigma);
  const at::Tensor denoised =
      at_sigma.c_skip * x + at_sigma.c_out * at::einsum("ck,nkhw->nchw", {p.at("U"), seen});
  const at::Tensor real = features_at(p, noisy("real", "eps_real"), at_sigma);
  const at::Tensor weight = loss_weight("edm", sigma, {.sigma_data = sigma_data});

  const at::Tensor denoising = denoising_loss(denoised, y, weight);
  const at::Tensor discriminator = shared_discriminator_loss("logistic", real.mean(1), seen.mean(1), weight);
  CHECK(relative_error(denoising, file.at("denoising")) < 1e-10);
  CHECK(relative_error(discriminator, file.at("discriminator")) < 1e-10);
  (denoising + discriminator).mean().backward();
  for (const auto& [name, parameter] : p) {
    INFO(name);
    CHECK(relative_error(parameter.grad(), file.at("grad_" + name)) < 1e-9);
  }
}

}  // namespace
}  // namespace onestep
