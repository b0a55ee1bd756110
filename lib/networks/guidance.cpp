// SPDX-License-Identifier: Apache-2.0
#include "networks/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {

DenoiserOutput forward_guided(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                              const DenoiserInputs& inputs, double guidance,
                              const std::vector<int64_t>& resolutions) {
  if (guidance == 1) return forward(denoiser, x, sigma, inputs, resolutions, /*decoded=*/true);
  const auto& [labels, augmentation, masks] = inputs;
  TORCH_CHECK(labels.defined(), "guidance ", guidance, " needs a class-conditional denoiser");
  const int64_t n = x.size(0);
  const auto twice = [](const at::Tensor& t) { return t.defined() ? at::cat({t, t}) : t; };
  if (masks != nullptr) masks->indices = twice(masks->indices);
  DenoiserOutput seen = forward(denoiser, twice(x), sigma.dim() == 0 ? sigma : twice(sigma),
                                {.labels = at::cat({labels, at::zeros_like(labels)}),
                                 .augment_labels = twice(augmentation),
                                 .masks = masks},
                                resolutions, /*decoded=*/true);
  const at::Tensor guided = seen.denoised.narrow(0, 0, n), unguided = seen.denoised.narrow(0, n, n);
  seen.denoised = unguided + guidance * (guided - unguided);
  for (at::Tensor& feature : seen.features) feature = feature.narrow(0, 0, n);
  return seen;
}

}  // namespace onestep
