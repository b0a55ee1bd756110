// SPDX-License-Identifier: Apache-2.0
#include "apps/common/stop.h"

#include <array>
#include <atomic>
#include <csignal>

namespace onestep {
namespace {

// A signal handler has nowhere else to put what it learns; workers look, too.
std::atomic<int> noted_signal = 0;
std::array<std::atomic<int>, NSIG> direct, forwarded;
static_assert(std::atomic<int>::is_always_lock_free);

void note(int signal, siginfo_t* info, void*) {
  const bool passed_on = info != nullptr && info->si_code == SI_QUEUE;
  if (++(passed_on ? forwarded : direct)[signal] > 1) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  noted_signal = signal;
}

}  // namespace

void answer_stop_signals(const struct sigaction& action) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_sigaction = note;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  answer_stop_signals(action);
}

void release_stop_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  answer_stop_signals(action);
}

void forward_signal(int process, int signal) {
  sigqueue(process, signal, {});
}

int stop_signal() {
  return noted_signal;
}

}  // namespace onestep
