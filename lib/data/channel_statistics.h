// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/check.h"

namespace onestep {

/// The metadata key under which a model file carries the ChannelStatistics of what it was trained on.
inline constexpr const char* kDataKey = "onestep.data";

/// Mean and standard deviation of each channel over all pixels of all images, as networks see them: uint8 as
/// x/127.5 − 1.
struct ChannelStatistics {
  std::vector<double> mean, std;
  std::vector<int64_t> class_counts;  ///< images of each class; empty where none are known

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("mean", c.mean, "of each channel");
    visit("std", c.std, "standard deviation of each channel", config::positive);
    visit("class_counts", c.class_counts, "images of each class; none: not known", config::non_negative);
  }
};

/// Of uint8 exact but for the last rounding (integer histograms), float64 of floating types; a channel that
/// is constant has the smallest std of all numbers above 0. `spread`, where it is defined, is each number's
/// own standard deviation (Dataset), whose square adds to the variance.
ChannelStatistics channel_statistics(const at::Tensor& images, const at::Tensor& spread = {});

}  // namespace onestep
