// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <csignal>

#include "io/interrupted.h"

namespace onestep {

/// From now on the first SIGINT, SIGTERM, SIGHUP (a terminal that is closed) or SIGUSR1 (what mpirun and
/// Slurm's --signal send before they end a job) is only noted; the next one of its kind ends the process. One
/// that is ignored (nohup) stays so. A rank may get a signal of a terminal twice, from there and from the
/// process that started it (forward_signal): that is one.
void catch_stop_signals();
/// From now on they end the process at once.
void release_stop_signals();

/// Answers them otherwise, but for those that are ignored.
void answer_stop_signals(const struct sigaction& action);

/// Sends a signal that this process got on to one of its own, marked as such.
void forward_signal(int process, int signal);

/// The signal that came, 0 where none did. Long work asks this between steps.
int stop_signal();

}  // namespace onestep
