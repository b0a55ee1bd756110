// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/module.h"
#include "parallel/communicator.h"

namespace onestep {

/// Throws on all ranks unless every tensor has the same bits on each: unlike processors, or a memory that
/// fails, would otherwise go unseen. Rank 0 throws NumericalError that names the first such tensor and rank.
void require_same_state(const Communicator& ranks, const NamedTensors& state, int64_t nimg);

}  // namespace onestep
