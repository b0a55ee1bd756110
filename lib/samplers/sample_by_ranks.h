// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "parallel/communicator.h"
#include "samplers/sample.h"

namespace onestep {

/// generate() with the samples shared by ranks: all of them on rank 0, in their order and bit for bit, as
/// samples do not depend on each other; the others' own on those. `watch` hears of rank 0's samples as if all
/// ranks were as far. Every rank must call it with the same request; it throws on all where it does on one.
SampleResult generate_by_ranks(const Communicator& ranks, const Denoiser& denoiser,
                               const SamplerConfig& config, const SampleRequest& request, int64_t batch,
                               const SampleWatch& watch = {}, const Workers& workers = {});

}  // namespace onestep
