// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// 2×2 patches to channels, [N, C, 2H, 2W] → [N, 4C, H, W], and back: a permutation of the numbers, so white
/// noise stays white and norms stay as they are. Channel 4c + 2i + j holds pixel (i, j) of channel c's
/// patches.
at::Tensor space_to_depth(const at::Tensor& x);
at::Tensor depth_to_space(const at::Tensor& x);

}  // namespace onestep
