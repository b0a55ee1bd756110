// SPDX-License-Identifier: Apache-2.0
#include "losses/data_fidelity.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/reflection_pad2d.h>

#include "kernels/philox.h"
#include "losses/regression.h"
#include "noise/purpose.h"

namespace onestep {
namespace {

/// 1 where a pixel [H, W] is seen.
at::Tensor seen_pixels(const MaskOperator& a, const at::Tensor& y) {
  const int64_t height = y.size(2), width = y.size(3);
  if (a.shape == "random") {
    const at::Tensor first = at::arange(1, at::device(y.device()).dtype(at::kLong));
    const at::Tensor u = kernels::philox_uniform(static_cast<uint64_t>(a.seed), word(Purpose::mask), first,
                                                 {height, width}, y.device());
    return (u[0] >= a.share).to(y.scalar_type());
  }
  const double side = std::sqrt(a.share);
  const auto length = [&](int64_t whole) { return std::llround(side * static_cast<double>(whole)); };
  const int64_t h = length(height), w = length(width);
  at::Tensor seen = at::ones({height, width}, y.options().requires_grad(false));
  seen.narrow(0, (height - h) / 2, h).narrow(1, (width - w) / 2, w).zero_();
  return seen;
}

struct Measure {
  const at::Tensor& y;

  at::Tensor operator()(const MaskOperator& a) const { return y * seen_pixels(a, y); }

  at::Tensor operator()(const BlurOperator& a) const {
    const auto radius = static_cast<int64_t>(std::ceil(3 * a.std));
    TORCH_CHECK(radius < y.size(2) && radius < y.size(3), "blur: a radius of ", radius,
                " pixels is too large for images of ", y.size(2), "x", y.size(3));
    const at::Tensor x = at::arange(-radius, radius + 1, y.options().requires_grad(false));
    const at::Tensor bell = at::exp(-0.5 * (x / a.std).square());
    const at::Tensor kernel = bell / bell.sum();
    // Every channel on its own, rows and then columns.
    const at::Tensor planes =
        at::reflection_pad2d(y.flatten(0, 1).unsqueeze(1), {radius, radius, radius, radius});
    return at::conv2d(at::conv2d(planes, kernel.reshape({1, 1, 1, -1})), kernel.reshape({1, 1, -1, 1}))
        .view_as(y);
  }

  at::Tensor operator()(const DownsampleOperator& a) const {
    TORCH_CHECK(y.size(2) % a.factor == 0 && y.size(3) % a.factor == 0, "downsample: ", a.factor,
                " does not divide ", y.size(2), "x", y.size(3));
    return at::avg_pool2d(y, {a.factor, a.factor});
  }
};

}  // namespace

at::Tensor measure(const MeasurementConfig& config, const at::Tensor& y) {
  TORCH_CHECK(y.dim() == 4, "measure: images must be [N, C, H, W], got ", y.sizes());
  return std::visit(Measure{y}, config);
}

at::Tensor data_fidelity_loss(const MeasurementConfig& config, const at::Tensor& y,
                              const at::Tensor& measurement, double noise_std) {
  return regression_loss(measure(config, y), measurement) / (noise_std * noise_std);
}

}  // namespace onestep
