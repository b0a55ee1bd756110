// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "config/check.h"
#include "data/dataset.h"

namespace onestep {

/// The metadata key under which a model file carries the ChannelStatistics of what it was trained on.
inline constexpr const char* kDataKey = "onestep.data";

/// Mean and standard deviation of each channel over all pixels of all images, as networks see them: uint8 as
/// x/127.5 − 1.
struct ChannelStatistics {
  std::vector<double> mean, std;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("mean", c.mean, "of each channel");
    visit("std", c.std, "standard deviation of each channel", config::positive);
  }
};

/// float64 throughout; a channel that is constant has the smallest std of all numbers above 0.
ChannelStatistics channel_statistics(const at::Tensor& images);

}  // namespace onestep
