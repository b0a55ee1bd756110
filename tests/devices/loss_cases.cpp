// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>

#include "devices/device_case.h"
#include "divergences/divergence.h"
#include "divergences/ratio_bins.h"
#include "losses/adversarial.h"
#include "losses/data_fidelity.h"
#include "losses/denoising.h"
#include "losses/expanded.h"
#include "losses/integral.h"
#include "losses/regression.h"
#include "losses/reward.h"

namespace onestep::test {
namespace {

constexpr int64_t kImages = 8;

/// Numbers for a loss of one device and dtype.
struct Draw {
  at::Device device;
  at::ScalarType dtype;
  at::Tensor image(uint32_t purpose) const { return normal(purpose, kImages, {3, 8, 8}, device, dtype); }
  at::Tensor number(uint32_t purpose) const { return normal(purpose, kImages, {}, device, dtype); }
  at::Tensor sigma() const { return number(20).exp(); }
};

/// Losses and their gradient in `leaf`.
Outputs with_gradient(const at::Tensor& leaf, const at::Tensor& losses) {
  losses.sum().backward();
  return {losses.detach(), leaf.grad()};
}

template <class Loss>
DeviceCase loss_case(const std::string& name, const Loss& loss) {
  return {"losses", name, 1e-4, [loss](at::Device device, at::ScalarType dtype) {
            return loss(Draw{device, dtype});
          }};
}

Outputs denoising(const Draw& draw) {
  const at::Tensor denoised = draw.image(1).requires_grad_();
  return with_gradient(denoised, denoising_loss(denoised, draw.image(2), draw.sigma()));
}

Outputs integral(const Draw& draw, const std::string& normalisation) {
  const at::Tensor y = draw.image(1).requires_grad_();
  return with_gradient(
      y, score_difference_loss({.normalisation = normalisation}, y, draw.image(2), draw.image(3),
                               draw.sigma(), normalise_by_mean(draw.number(4).exp())));
}

/// With elementwise denoisers, so that gradient flows through both.
Outputs expanded(const Draw& draw, const ExpandedConfig& config) {
  const at::Tensor y = draw.image(1).requires_grad_(), sigma = draw.sigma();
  const at::Tensor x = y + sigma.view({-1, 1, 1, 1}) * draw.image(2);
  const DivergenceWeights weights = divergence_weights({.name = "jeffreys"}, draw.number(5).exp());
  return with_gradient(y, expanded_loss(config, y, x, (0.7 * x).tanh(), (0.6 * x).sin(), sigma, weights));
}

Outputs adversarial(const Draw& draw, const std::string& name) {
  const at::Tensor real = draw.image(1).flatten(1).requires_grad_(),
                   fake = draw.image(2).flatten(1).requires_grad_();
  const at::Tensor losses = discriminator_loss(name, real, fake) + generator_loss(name, fake) +
                            r1_penalty(real, real * 1.1 + 0.1, 0.1);
  losses.sum().backward();
  return {losses.detach(), real.grad(), fake.grad()};
}

Outputs divergence(const Draw& draw, const std::string& name) {
  const DivergenceWeights w = divergence_weights({.name = name}, draw.number(1).exp());
  return {w.h, w.rh_prime, w.r2h_second};
}

Outputs ratio(const Draw& draw) {
  const RatioConfig config{.min_count = 2};
  const at::Tensor r = density_ratio(draw.image(1).flatten(1), config), sigma = draw.sigma();
  const RatioBins bins = updated(make_ratio_bins(config, draw.device), bin_sums(r, sigma, config), config);
  return {r, bins.mean, bins.pending_ratio, bins.pending_count, normalise_ratio(r, sigma, bins, config)};
}

Outputs regression(const Draw& draw) {
  const at::Tensor y = draw.image(1).requires_grad_();
  return with_gradient(y, regression_loss(y, draw.image(2)));
}

Outputs reward(const Draw& draw) {
  const at::Tensor logits = draw.image(1).flatten(1).narrow(1, 0, kImages).clone().requires_grad_();
  return with_gradient(logits,
                       classifier_reward(logits, at::eye(kImages, logits.options().requires_grad(false))));
}

Outputs fidelity(const Draw& draw, const MeasurementConfig& operation) {
  const at::Tensor y = draw.image(1).requires_grad_();
  return with_gradient(y, data_fidelity_loss(operation, y, measure(operation, draw.image(2)), 0.1));
}

}  // namespace

std::vector<DeviceCase> loss_cases() {
  std::vector<DeviceCase> cases{loss_case("denoising", denoising),
                                loss_case("density ratio and its bins", ratio),
                                loss_case("regression", regression), loss_case("reward", reward)};
  for (const std::string& name : normalisations())
    cases.push_back(
        loss_case("integral branch, " + name, [name](const Draw& d) { return integral(d, name); }));
  for (const std::string form : {"exact", "frozen_ratio", "paper"})
    cases.push_back(
        loss_case("expanded branch, " + form, [form](const Draw& d) { return expanded(d, {.form = form}); }));
  cases.push_back(loss_case("expanded branch, pseudo-Huber",
                            [](const Draw& d) { return expanded(d, {.distance = "pseudo_huber"}); }));
  for (const std::string& name : adversarial_losses())
    cases.push_back(
        loss_case("adversarial, " + name, [name](const Draw& d) { return adversarial(d, name); }));
  for (const std::string& name : divergence_names())
    cases.push_back(loss_case("weights of " + name, [name](const Draw& d) { return divergence(d, name); }));
  const std::vector<std::pair<std::string, MeasurementConfig>> operations{
      {"mask", MaskOperator{.shape = "random"}},
      {"blur", BlurOperator{}},
      {"downsample", DownsampleOperator{}}};
  for (const auto& [name, operation] : operations)
    cases.push_back(loss_case("data fidelity, " + name,
                              [operation = operation](const Draw& d) { return fidelity(d, operation); }));
  return cases;
}

}  // namespace onestep::test
