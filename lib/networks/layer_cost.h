// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/network.h"

/// What a forward pass of single layers costs an image.
namespace onestep {

PassCost& operator+=(PassCost& total, const PassCost& part);

/// A convolution with `pixels` outputs a channel; input and output are kept.
PassCost layer_cost(const Conv2d& conv, int64_t pixels);

/// A linear map of one row, which keeps next to nothing.
PassCost layer_cost(const Linear& linear);

}  // namespace onestep
