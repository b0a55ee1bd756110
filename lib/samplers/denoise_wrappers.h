// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "samplers/denoise.h"

namespace onestep {

// What is done to D before a solver sees it. (Classifier-free guidance needs the network's labels:
// networks/guidance.h.)

/// Autoguidance (Karras et al. 2024): D' + w (D − D') with D' of a weaker model of the same data.
Denoise autoguided(Denoise main, Denoise weak, double guidance);

/// `inside` where low ≤ σ ≤ high, else `outside`: guidance in an interval (Kynkäänniemi et al. 2024).
Denoise within(Denoise inside, Denoise outside, double low, double high);

/// D clipped to [−1, 1].
Denoise clipped(Denoise denoise);

/// Dynamic thresholding (Saharia et al. 2022, §2.3): s is the given percentile of |D| over an image, at least
/// 1; D is clipped to [−s, s] and divided by s.
Denoise clipped_dynamically(Denoise denoise, double percentile);

}  // namespace onestep
