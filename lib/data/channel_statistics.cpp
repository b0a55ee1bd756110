// SPDX-License-Identifier: Apache-2.0
#include "data/channel_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

namespace onestep {
namespace {

using Histogram = std::array<int64_t, 256>;

/// How often each byte occurs in each channel: integers, whose sums are exact in any order.
std::vector<Histogram> histograms(const at::Tensor& images) {
  const at::Tensor whole = images.contiguous();
  const int64_t channels = whole.size(1), pixels = whole.size(2) * whole.size(3);
  const auto* bytes = whole.const_data_ptr<uint8_t>();
  std::vector<Histogram> total(static_cast<size_t>(channels));
  std::mutex mutex;
  at::parallel_for(0, whole.size(0), /*grain_size=*/256, [&](int64_t begin, int64_t end) {
    std::vector<Histogram> part(total.size());
    for (int64_t plane = begin * channels; plane < end * channels; ++plane) {
      Histogram& counts = part[static_cast<size_t>(plane % channels)];
      for (const uint8_t* byte = bytes + plane * pixels; byte != bytes + (plane + 1) * pixels; ++byte)
        ++counts[*byte];
    }
    const std::lock_guard lock(mutex);
    for (size_t c = 0; c < total.size(); ++c)
      for (size_t value = 0; value < 256; ++value) total[c][value] += part[c][value];
  });
  return total;
}

/// Mean and standard deviation of bytes b as b/127.5 − 1, from integer sums: (n Σb² − (Σb)²) / n².
std::array<double, 2> moments(const Histogram& counts) {
  __extension__ using Wide = __int128;
  Wide n = 0, sum = 0, squares = 0;
  for (int64_t value = 0; value < 256; ++value) {
    const Wide count = counts[static_cast<size_t>(value)];
    n += count;
    sum += count * value;
    squares += count * value * value;
  }
  const auto variance = static_cast<double>(n * squares - sum * sum);
  const auto count = static_cast<double>(n);
  return {static_cast<double>(2 * sum - 255 * n) / (255 * count), std::sqrt(variance) / (127.5 * count)};
}

std::array<double, 2> moments(const at::Tensor& values, const at::Tensor& spread) {
  const at::Tensor x = values.to(at::kDouble), mean = x.mean();
  double variance = (x - mean).square().mean().item<double>();
  if (spread.defined()) variance += spread.to(at::kDouble).square().mean().item<double>();
  return {mean.item<double>(), std::sqrt(variance)};
}

}  // namespace

ChannelStatistics channel_statistics(const at::Tensor& images, const at::Tensor& spread) {
  TORCH_CHECK(images.dim() == 4 && images.numel() > 0, "channel_statistics: images are [N,C,H,W], got ",
              images.sizes());
  TORCH_CHECK(images.scalar_type() == at::kByte || images.is_floating_point(),
              "channel_statistics: images are uint8 or floating, got ", images.scalar_type());
  ChannelStatistics statistics;
  const auto add = [&](const std::array<double, 2>& moments_of_channel) {
    statistics.mean.push_back(moments_of_channel[0]);
    statistics.std.push_back(std::max(moments_of_channel[1], std::numeric_limits<double>::min()));
  };
  if (images.scalar_type() == at::kByte) {
    for (const Histogram& counts : histograms(images)) add(moments(counts));
  } else {
    for (int64_t c = 0; c < images.size(1); ++c)
      add(moments(images.select(1, c), spread.defined() ? spread.select(1, c) : at::Tensor()));
  }
  return statistics;
}

}  // namespace onestep
