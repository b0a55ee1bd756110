// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

#include "devices/device_case.h"
#include "kernels/adamw.h"
#include "kernels/group_norm_silu.h"
#include "kernels/resize_tf1.h"
#include "kernels/score_difference.h"

namespace onestep::test {

using namespace kernels;

namespace {

/// Two rows of parameters after six steps, of which one has no finite gradient and each leaves a row out.
Outputs adamw_steps(at::Device device, at::ScalarType dtype) {
  const auto vector = [&](uint32_t purpose) { return normal(purpose, 1, {5000}, device, dtype).flatten(); };
  const auto scalar = [&](double value) {
    return at::full({}, value, at::device(device).dtype(at::kDouble));
  };
  const auto zeros = [&](at::IntArrayRef shape, at::ScalarType type) {
    return at::zeros(shape, at::device(device).dtype(type));
  };
  const AdamwState state{.values = vector(0),
                         .gradients = vector(1),
                         .exp_avg = zeros({5000}, dtype),
                         .exp_avg_sq = zeros({5000}, dtype),
                         .step = zeros({2}, at::kFloat),
                         .skipped = zeros({}, at::kFloat),
                         .shadow = zeros({5000}, at::kBFloat16)};
  const MovingAverage average{vector(9), scalar(0.1)};
  for (uint32_t step = 1; step <= 6; ++step) {
    at::Tensor(state.gradients).copy_(vector(step));
    if (step == 5) state.gradients.narrow(0, 17, 1).fill_(std::numeric_limits<double>::infinity());
    adamw_step(state, {.weight_decay = 0.01, .clip_norm = 30, .clip_value = 0.5}, scalar(1e-2),
               at::linalg_vector_norm(state.gradients), {}, {average}, {step % 2});
  }
  return {state.values, state.exp_avg, state.exp_avg_sq, state.step, average.values};
}

}  // namespace

std::vector<DeviceCase> kernel_cases() {
  std::vector<DeviceCase> cases{
      {"kernels", "philox normal", 0,
       [](at::Device device, at::ScalarType dtype) {
         return Outputs{philox_normal(7, 3, at::arange(100, 164), {3, 32, 32}, device, dtype)};
       }},
      {"kernels", "philox uniform", 0,
       [](at::Device device, at::ScalarType dtype) {
         return Outputs{philox_uniform(7, 3, at::arange(100, 164), {1001}, device, dtype)};
       }},
      {"kernels", "resize as TensorFlow 1", 0,
       [](at::Device device, at::ScalarType) {
         const at::Tensor images =
             (philox_uniform(1, 0, at::arange(3), {3, 31, 33}, at::kCPU) * 255).to(at::kByte);
         return Outputs{resize_tf1(images.to(device))};
       },
       /*any_dtype=*/false}};
  for (const auto& [name, normalisation] :
       {std::pair("none", Normalisation::none), {"dmd", Normalisation::dmd}, {"sid", Normalisation::sid}}) {
    cases.push_back({"kernels", std::string("score difference, ") + name, 1e-6,
                     [normalisation](at::Device device, at::ScalarType dtype) {
                       const auto image = [&](uint32_t purpose) {
                         return normal(purpose, 16, {3, 32, 32}, device, dtype);
                       };
                       const at::Tensor h = normal(4, 16, {}, device, dtype).exp();
                       const ScoreDifference step =
                           score_difference(image(1), image(2), image(3), h, normalisation);
                       return Outputs{step.loss, step.gradient};
                     }});
  }
  cases.push_back({"kernels", "AdamW with averages and shadow", 1e-5, adamw_steps});
  for (const bool adaptive : {false, true}) {
    cases.push_back(
        {"kernels", std::string("group norm and SiLU, ") + (adaptive ? "adaptive" : "added"), 3e-6,
         [adaptive](at::Device device, at::ScalarType dtype) {
           const auto leaf = [&](uint32_t purpose, int64_t images, at::IntArrayRef shape) {
             return normal(purpose, images, shape, device, dtype).requires_grad_();
           };
           const at::Tensor x = leaf(1, 8, {160, 8, 8}), gain = leaf(2, 8, {160}), offset = leaf(3, 8, {160});
           const at::Tensor y = adaptive
                                    ? group_norm_silu(x, 32, {gain, offset, {}}, 1e-5)
                                    : group_norm_silu(x, 32, {gain[0], offset[0], leaf(4, 8, {160})}, 1e-5);
           y.square().sum().backward();
           return Outputs{y.detach(), x.grad(), gain.grad(), offset.grad()};
         }});
  }
  return cases;
}

}  // namespace onestep::test
