// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "samplers/sample.h"

namespace onestep {

/// A sheet of fixed samples, so that progress can be compared by eye: a row of eight seeds for every class
/// (of the first 16 of `among`; empty: of all), or 8 × 8 seeds; one uint8 image [C, H', W'].
at::Tensor draw_sheet(const Denoiser& denoiser, const SamplerConfig& sampler, std::vector<int64_t> among = {},
                      const Workers& workers = {});

/// The first 64 of given images [N, C, H, W] in [−1, 1], eight in a row.
at::Tensor sheet_of(const at::Tensor& images);

}  // namespace onestep
