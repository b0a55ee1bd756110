// SPDX-License-Identifier: Apache-2.0
#include "apps/common/stop.h"

#include <atomic>
#include <csignal>

namespace onestep {
namespace {

std::atomic<int> noted_signal = 0;  // a signal handler has nowhere else to put it; workers look, too
static_assert(std::atomic<int>::is_always_lock_free);

void note(int signal) {
  noted_signal = signal;
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

int stop_signal() {
  return noted_signal;
}

}  // namespace onestep
