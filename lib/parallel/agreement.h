// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "parallel/communicator.h"

namespace onestep {

/// What has to be the same on all ranks, by name.
using Facts = std::vector<std::pair<std::string, std::string>>;

/// Fails on all ranks (parallel/together.h) unless all have the same facts: rank 0 throws config::ConfigError
/// that names a rank with others and what differs, with both values.
void agree(const Communicator& communicator, const Facts& facts);

}  // namespace onestep
