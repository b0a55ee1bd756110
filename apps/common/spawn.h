// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

namespace onestep {

/// Forks so many processes with the variables of a launcher (parallel/ranks.h) and returns nothing in each.
/// In the process that forked it waits for all of them and returns the exit code to end with (join_ranks);
/// throws RankLost, saying which, where they ended because ranks were killed or silent.
std::optional<int> spawn_ranks(int ranks);

}  // namespace onestep
