// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include <ATen/core/Tensor.h>

namespace onestep {

/// D(x; σ): the denoised image of x = y + n, n ~ N(0, σ²), one σ for the whole batch. A solver sees nothing
/// else of a model: guidance, thresholding and conversions from other parameterisations wrap this callable.
/// x [N, …] float64; the result has x's shape, in any floating dtype.
using Denoise = std::function<at::Tensor(const at::Tensor& x, double sigma)>;

/// d(x, σ) = dx/dσ = (x − D(x; σ)) / σ: the slope of the probability-flow ODE (Karras et al. 2022, eq. 1 with
/// σ(t) = t; shared design samplers §1). One network call. float64, x's shape; σ > 0.
at::Tensor slope(const Denoise& denoise, const at::Tensor& x, double sigma);

/// (σ'/σ) x + (1 − σ'/σ) y: where the straight path from x at σ to the image y at 0 is at σ'. Euler's step is
/// the one towards D(x; σ). `ratio` = σ'/σ.
at::Tensor towards(const at::Tensor& image, const at::Tensor& x, double ratio);

}  // namespace onestep
