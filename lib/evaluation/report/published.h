// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace onestep {

/// A one-step generator's Inception FID as its authors report it: EDM protocol, 50,000 images.
struct PublishedFid {
  int64_t resolution;  ///< of the data: 32 CIFAR-10, 64 ImageNet-64
  std::string method, setting;
  double fid;
  std::string source;
};

const std::vector<PublishedFid>& published_fids();

/// The data that published FIDs of images of this size are about; "" where there are none.
std::string published_data(int64_t resolution);

}  // namespace onestep
