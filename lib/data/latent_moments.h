// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// The distribution N(mean, std²) of each number of some latents [N, c, h, w]; `std` is undefined where the
/// encoder is deterministic.
struct LatentMoments {
  at::Tensor mean, std;
};

}  // namespace onestep
