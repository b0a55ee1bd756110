// SPDX-License-Identifier: Apache-2.0
#include "devices/device_case.h"
#include "kernels/group_norm_silu.h"
#include "kernels/resize_tf1.h"
#include "kernels/score_difference.h"

namespace onestep::test {

using namespace kernels;

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
