// SPDX-License-Identifier: Apache-2.0
#include "data/channel_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

namespace onestep {

ChannelStatistics channel_statistics(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.numel() > 0, "channel_statistics: images are [N,C,H,W], got ",
              images.sizes());
  constexpr int64_t kChunk = 1024;  // so that the float64 copy stays small
  const int64_t channels = images.size(1);
  const auto sums_of = [&](const auto& value) {
    at::Tensor sum = at::zeros({channels}, at::kDouble);
    for (int64_t begin = 0; begin < images.size(0); begin += kChunk)
      sum += value(to_float(images.slice(0, begin, begin + kChunk)).to(at::kDouble)).sum({0, 2, 3});
    return sum;
  };
  const double count = static_cast<double>(images.numel() / channels);
  const at::Tensor mean = sums_of([](const at::Tensor& x) { return x; }) / count;
  const at::Tensor centre = mean.view({1, channels, 1, 1});
  const at::Tensor variance = sums_of([&](const at::Tensor& x) { return (x - centre).square(); }) / count;
  ChannelStatistics statistics;
  for (int64_t c = 0; c < channels; ++c) {
    statistics.mean.push_back(mean[c].item<double>());
    statistics.std.push_back(
        std::max(std::sqrt(variance[c].item<double>()), std::numeric_limits<double>::min()));
  }
  return statistics;
}

}  // namespace onestep
