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

void answer_by(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void catch_stop_signals() {
  answer_by(note);
}

void release_stop_signals() {
  answer_by(SIG_DFL);
}

int stop_signal() {
  return noted_signal;
}

}  // namespace onestep
