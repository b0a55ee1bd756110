// SPDX-License-Identifier: Apache-2.0
#include "apps/common/spawn.h"

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
#include "apps/common/stop.h"
#include "config/node.h"
#include "parallel/communicator.h"
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
  release_stop_signals();  // until it is connected
  set("RANK", std::to_string(rank));
  set("LOCAL_RANK", std::to_string(rank));
  set("WORLD_SIZE", std::to_string(ranks));
  set("LOCAL_WORLD_SIZE", std::to_string(ranks));
  set("MASTER_ADDR", "127.0.0.1");
  set("MASTER_PORT", std::to_string(port_of_socket(socket)));
  set(kListeningVariable, std::to_string(socket));
  for (const char* of_torchrun : {"TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT"})
    unsetenv(of_torchrun);
  set(kRanksHereVariable, std::to_string(ranks));
  if (rank != 0) close(socket);
}

struct Rank {
  int number;
  pid_t process;
};

/// The ranks, and what became of those that have ended.
struct Processes {
  std::vector<Rank> running;
  int code = kDone;       // of the first that ended for a reason of its own
  bool any_lost = false;  // ended by a signal, or because another was gone
  std::string lost;       // what is known of the first of them

  void ended(int rank, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) != kRankLost) {
      if (code == kDone) code = WEXITSTATUS(status);
      return;
    }
    any_lost = true;
    if (WIFSIGNALED(status) && lost.empty())
      lost = "rank " + std::to_string(rank) + " was killed by signal " + std::to_string(WTERMSIG(status));
  }

  /// Whether any has ended since the last call. Other children of this process are none of ours.
  bool look() {
    return std::erase_if(running, [&](const Rank& rank) {
      int status = 0;
      const pid_t process = waitpid(rank.process, &status, WNOHANG);
      if (process == rank.process) ended(rank.number, status);
      return process != 0 && !(process < 0 && errno == EINTR);
    });
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
      for (const Rank& rank : processes.running) forward_signal(rank.process, last_signal);
    }
    if (processes.look() && !failed && (processes.code != kDone || processes.any_lost)) failed = Clock::now();
    if (failed && Clock::now() - *failed > kGrace)
      for (const Rank& rank : processes.running) kill(rank.process, SIGKILL);
    usleep(kPoll);
  }
  if (processes.code != kDone || !processes.any_lost) return processes.code;
  if (last_signal != 0) return kSignal + last_signal;
  throw RankLost(processes.lost.empty() ? "a rank was silent for longer than --rank-timeout allows"
                                        : processes.lost);
}

}  // namespace

std::optional<int> spawn_ranks(int ranks) {
  const int socket = listen_at("127.0.0.1", 0);
  if (socket < 0)
    throw config::ConfigError("--ranks: no port to meet at: " + std::generic_category().message(errno));
  std::signal(SIGCHLD, SIG_DFL);  // who ignores it is not told how they ended
  struct sigaction action {};
  action.sa_handler = note;
  answer_stop_signals(action);
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
      for (const Rank& started : processes.running) kill(started.process, SIGKILL);
      throw config::ConfigError("--ranks " + std::to_string(ranks) + ": process " + std::to_string(rank + 1) +
                                " cannot be started: " + why);
    }
    processes.running.push_back({rank, process});
  }
  close(socket);
  return wait_for(std::move(processes));
}

}  // namespace onestep
