// SPDX-License-Identifier: Apache-2.0
#include "samplers/magnitude_score.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

namespace onestep {

at::Tensor magnitude_scores(const at::Tensor& images, const ChannelStatistics& data) {
  const auto channels = static_cast<int64_t>(data.mean.size());
  TORCH_CHECK(images.dim() == 4 && images.size(1) == channels && data.std.size() == data.mean.size(),
              "magnitude_scores: images of shape ", images.sizes(), " and statistics of ", channels,
              " channels");
  const auto per_channel = [&](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).view({1, channels, 1, 1});
  };
  const at::Tensor z =
      ((images.to(at::kCPU, at::kDouble) - per_channel(data.mean)) / per_channel(data.std)).abs();
  const at::Tensor largest = z.amax(1, /*keepdim=*/true);
  const at::Tensor pooled = at::max_pool2d(largest, 4, 4, 0, 1, /*ceil_mode=*/true).flatten(1);
  return (pooled * (pooled >= 3).to(at::kDouble)).mean(1);
}

}  // namespace onestep
