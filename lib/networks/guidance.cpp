// SPDX-License-Identifier: Apache-2.0
#include "networks/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {

Perceived perceive_guided(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                          const at::Tensor& labels, double guidance, const std::vector<int64_t>& resolutions,
                          DropoutStream* masks) {
  if (guidance == 1)
    return perceive(denoiser, x, sigma, {.labels = labels, .masks = masks}, resolutions, /*decoded=*/true);
  TORCH_CHECK(labels.defined(), "guidance ", guidance, " needs a class-conditional denoiser");
  const int64_t n = x.size(0);
  if (masks != nullptr) masks->indices = at::cat({masks->indices, masks->indices});
  Perceived seen =
      perceive(denoiser, at::cat({x, x}), sigma.dim() == 0 ? sigma : at::cat({sigma, sigma}),
               {.labels = at::cat({labels, at::zeros_like(labels)}), .masks = masks}, resolutions,
               /*decoded=*/true);
  const at::Tensor guided = seen.denoised.narrow(0, 0, n), unguided = seen.denoised.narrow(0, n, n);
  seen.denoised = unguided + guidance * (guided - unguided);
  for (at::Tensor& feature : seen.features) feature = feature.narrow(0, 0, n);
  return seen;
}

}  // namespace onestep
