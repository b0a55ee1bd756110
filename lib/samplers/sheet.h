// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/codec.h"
#include "samplers/sample.h"

namespace onestep {

/// A sheet of fixed samples, so that progress can be compared by eye: a row of eight seeds for every class
/// (of the first 16 of `among`; empty: of all), or 8 × 8 seeds, as pictures by the codec; one uint8 image
/// [C, H', W'].
at::Tensor draw_sheet(const Denoiser& denoiser, const SamplerConfig& sampler, std::vector<int64_t> among = {},
                      const Workers& workers = {}, const Codec& codec = {});

/// The first 64 of given samples [N, C, H, W], eight in a row, likewise.
at::Tensor sheet_of(const at::Tensor& samples, const Codec& codec = {});

}  // namespace onestep
