// SPDX-License-Identifier: Apache-2.0
#include "apps/common/spawn.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "apps/common/exit_code.h"
#include "apps/common/process.h"
#include "config/node.h"
#include "parallel/listen.h"
#include "parallel/ranks.h"

namespace onestep {
namespace {

constexpr std::chrono::seconds kGrace{10};  // for the others, when one has failed
constexpr useconds_t kPoll = 20'000;

volatile std::sig_atomic_t noted = 0;  // a signal handler has nowhere else to put it

void note(int signal) {
  noted = signal;
}

void set(const char* name, const std::string& value) {
  setenv(name, value.c_str(), /*overwrite=*/1);
}

/// In a rank: what a launcher would have set.
void become_rank(int rank, int ranks, int socket, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // who starts them takes them along
  if (getppid() != parent) _exit(kSignal + SIGTERM);
  setpgid(0, 0);  // a terminal's Ctrl-C comes once, from the parent
  set("RANK", std::to_string(rank));
  set("LOCAL_RANK", std::to_string(rank));
  set("WORLD_SIZE", std::to_string(ranks));
  set("LOCAL_WORLD_SIZE", std::to_string(ranks));
  set("MASTER_ADDR", "127.0.0.1");
  set("MASTER_PORT", std::to_string(port_of_socket(socket)));
  set(kListeningVariable, std::to_string(socket));
  if (std::getenv("OMP_NUM_THREADS") == nullptr) set(kRanksHereVariable, std::to_string(ranks));
  if (rank != 0) close(socket);
}

struct Processes {
  std::vector<pid_t> running;
  int code = kDone;       // of the first that ended for a reason of its own
  bool any_lost = false;  // ended by a signal, or because another was gone

  void send(int signal) const {
    for (const pid_t process : running) kill(process, signal);
  }

  void ended(pid_t process, int status) {
    std::erase(running, process);
    if (WIFEXITED(status) && WEXITSTATUS(status) != kRankLost) {
      if (code == kDone) code = WEXITSTATUS(status);
    } else {
      any_lost = true;
    }
  }
};

int wait_for(Processes processes) {
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> failed;
  int last_signal = 0;
  while (!processes.running.empty()) {
    if (noted != 0) {
      last_signal = noted;
      noted = 0;
      processes.send(last_signal);
    }
    int status = 0;
    const pid_t process = waitpid(-1, &status, WNOHANG);
    if (process > 0) {
      processes.ended(process, status);
      if (!failed && (processes.code != kDone || processes.any_lost)) failed = Clock::now();
      continue;
    }
    if (process < 0 && errno != EINTR) break;
    if (failed && Clock::now() - *failed > kGrace) processes.send(SIGKILL);
    usleep(kPoll);
  }
  if (processes.code != kDone) return processes.code;
  if (!processes.any_lost) return kDone;
  return last_signal != 0 ? kSignal + last_signal : kRankLost;
}

}  // namespace

std::optional<int> spawn_ranks(int ranks) {
  const int socket = listen_at("127.0.0.1", 0);
  if (socket < 0)
    throw config::ConfigError("--ranks: no port to meet at: " + std::generic_category().message(errno));
  struct sigaction action {};
  action.sa_handler = note;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
  const pid_t parent = getpid();
  Processes processes;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t process = fork();
    if (process == 0) {
      become_rank(rank, ranks, socket, parent);
      return std::nullopt;
    }
    if (process < 0) {
      const std::string why = std::generic_category().message(errno);
      processes.send(SIGKILL);
      throw config::ConfigError("--ranks " + std::to_string(ranks) + ": process " + std::to_string(rank + 1) +
                                " cannot be started: " + why);
    }
    processes.running.push_back(process);
  }
  close(socket);
  return wait_for(std::move(processes));
}

}  // namespace onestep
