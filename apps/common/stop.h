// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdexcept>

namespace onestep {

/// Work that ended early, in good order, because a signal asked for it. `what()` says how things stand.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// From now on the first SIGINT, SIGTERM, SIGHUP (a terminal that is closed) or SIGUSR1 (what mpirun and
/// Slurm's --signal send before they end a job) is only noted; the next one of its kind ends the process. One
/// that is ignored (nohup) stays so.
void catch_stop_signals();
/// From now on they end the process at once.
void release_stop_signals();

/// The signal that came, 0 where none did. Long work asks this between steps.
int stop_signal();

}  // namespace onestep
