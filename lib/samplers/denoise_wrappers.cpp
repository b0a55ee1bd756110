// SPDX-License-Identifier: Apache-2.0
#include "samplers/denoise_wrappers.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/quantile.h>

namespace onestep {

Denoise autoguided(Denoise main, Denoise weak, double guidance) {
  return [main = std::move(main), weak = std::move(weak), guidance](const at::Tensor& x, double sigma) {
    const at::Tensor away = weak(x, sigma);
    return away + guidance * (main(x, sigma) - away);
  };
}

Denoise within(Denoise inside, Denoise outside, double low, double high) {
  return [inside = std::move(inside), outside = std::move(outside), low, high](const at::Tensor& x,
                                                                               double sigma) {
    return (sigma >= low && sigma <= high ? inside : outside)(x, sigma);
  };
}

Denoise clipped(Denoise denoise) {
  return [denoise = std::move(denoise)](const at::Tensor& x, double sigma) {
    return at::clamp(denoise(x, sigma), -1, 1);
  };
}

Denoise clipped_dynamically(Denoise denoise, double percentile) {
  return [denoise = std::move(denoise), percentile](const at::Tensor& x, double sigma) {
    const at::Tensor image = denoise(x, sigma).flatten(1);
    const at::Tensor s = at::quantile(image.abs(), percentile, 1, /*keepdim=*/true).clamp_min(1);
    return (at::minimum(at::maximum(image, -s), s) / s).view(x.sizes());
  };
}

}  // namespace onestep
