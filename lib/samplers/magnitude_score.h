// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "data/channel_statistics.h"

namespace onestep {

/// How much of an image lies where no data is: the artifact detector of the momentum paper (Wizadwongsa et
/// al. 2023, §5; shared design samplers §4). z = |x − mean|/std per channel, the largest of the channels, the
/// largest of each 4 × 4 block of pixels, 0 where that is below 3; the mean over the blocks. images
/// [N,C,H,W], unclipped, any floating dtype; blocks at the right and lower edge are as large as they can be.
/// Returns [N] float64, ≥ 0; 0 for images within 3 standard deviations.
at::Tensor magnitude_scores(const at::Tensor& images, const ChannelStatistics& data);

}  // namespace onestep
