// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>

#include "parallel/agreement.h"
#include "parallel/communicator.h"

namespace onestep {

/// --ranks, --rank-timeout and --master, as given.
struct RankOptions {
  int64_t ranks = 0;  ///< 0: as a launcher says
  int64_t timeout_s = 1800;
  std::string master;
};

/// Declares them, in a group of the command's help.
void add_rank_options(CLI::App& command, RankOptions& options, const std::string& group = "Ranks");

/// What Ranks::launcher is of ranks that --ranks started: the process that did speaks for those that are
/// lost.
inline constexpr const char* kOwnLauncher = "--ranks";

/// The ranks that --ranks started have ended. To be answered with `code`, without another word.
struct RanksEnded {
  int code;
};

/// This process among its ranks, connected: those of the launcher that started it (parallel/ranks.h), or of
/// --ranks, which starts them: forks of this process, whose number of threads is their share of the cores.
/// To be called before LibTorch computes anything.
///
/// The process that forked waits for them: it passes signals on, and throws RanksEnded when they have ended.
/// Where one fails the others have ten seconds. Its code is that of the first which had a reason of its
/// own; where ranks were killed or silent alone it throws RankLost, and speaks for all.
///
/// Rank 0 alone speaks: the others' log is silent from here on, but for errors. Throws config::ConfigError
/// for --ranks under a launcher of several, what find_ranks and connect refuse, and RankLost as connect does.
/// `device`: where it will be, as far as that is known by now; CUDA has to be looked for before the ranks
/// meet.
Communicator join_ranks(const RankOptions& options, const std::string& device = "");

/// What the bits of all work depend on, beside what it is told to do: the versions, and the processor; and
/// `more` after them.
Facts facts_of_process(at::Device device, const Facts& more);

/// What join_ranks found, for what a process says at its end; one rank before that.
const Ranks& ranks_joined();

/// Whether this rank is the one that writes and speaks.
inline bool is_first(const Communicator& ranks) {
  return ranks.rank == 0;
}

}  // namespace onestep
