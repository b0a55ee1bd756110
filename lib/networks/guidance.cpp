// SPDX-License-Identifier: Apache-2.0
#include "networks/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

namespace onestep {

DenoiserOutput forward_guided(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                              const DenoiserInputs& inputs, const Guidance& guidance,
                              const std::vector<std::string>& taps) {
  const auto [scale, channels] = guidance;
  if (scale == 1) return forward(denoiser, x, sigma, inputs, {.taps = taps});
  const auto& [condition, augmentation, masks] = inputs;
  TORCH_CHECK(condition.defined(), "guidance ", scale, " needs a class-conditional denoiser");
  const int64_t n = x.size(0);
  const auto twice = [](const at::Tensor& t) { return t.defined() ? at::cat({t, t}) : t; };
  if (masks != nullptr) masks->indices = twice(masks->indices);
  DenoiserOutput seen = forward(denoiser, twice(x), sigma.dim() == 0 ? sigma : twice(sigma),
                                {.condition = cat(condition, null_condition(denoiser, condition)),
                                 .augment_labels = twice(augmentation),
                                 .masks = masks},
                                {.taps = taps});
  const at::Tensor guided = seen.denoised.narrow(0, 0, n), unguided = seen.denoised.narrow(0, n, n);
  seen.denoised = unguided + scale * (guided - unguided);
  if (channels > 0 && channels < x.size(1))
    seen.denoised = at::cat({seen.denoised.narrow(1, 0, channels), guided.slice(1, channels)}, 1);
  for (at::Tensor& feature : seen.features) feature = feature.narrow(0, 0, n);
  return seen;
}

}  // namespace onestep
