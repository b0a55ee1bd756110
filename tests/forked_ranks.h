// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <ATen/Parallel.h>

#include "config/node.h"
#include "parallel/communicator.h"
#include "parallel/listen.h"
#include "parallel/together.h"

namespace onestep::test {

/// How a rank of forked_ranks ended.
enum RankEnd { kWell = 0, kOther = 1, kConfig = 2, kFailedElsewhere = 5, kLost = 6, kKilled = 137 };

/// Runs body in `size` processes that are connected, and returns how they ended. A process begins as a copy
/// of this one, as it stands.
inline std::vector<int> forked_ranks(int size, const std::function<void(const Communicator&)>& body,
                                     int patience_s = 120) {
  const int socket = listen_at("127.0.0.1", 0);
  std::fflush(nullptr);
  std::vector<pid_t> processes;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t process = fork();
    if (process != 0) {
      processes.push_back(process);
      continue;
    }
    at::set_num_threads(1);  // a fork has none of OpenMP's threads, and would wait for them
    int end = kOther;
    try {
      const Ranks ranks{.rank = rank,
                        .size = size,
                        .local_rank = rank,
                        .launcher = "--ranks",
                        .address = "127.0.0.1",
                        .port = port_of_socket(socket),
                        .listening = rank == 0 ? socket : -1};
      const Communicator communicator = connect(ranks, std::chrono::seconds(patience_s));
      body(communicator);
      barrier(communicator);  // rank 0 holds the store
      end = kWell;
    } catch (const RankLost&) {
      end = kLost;
    } catch (const RankFailed&) {
      end = kFailedElsewhere;
    } catch (const config::ConfigError& error) {
      std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
      end = kConfig;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
    }
    std::fflush(nullptr);
    _exit(end);
  }
  ::close(socket);
  std::vector<int> ends;
  for (const pid_t process : processes) {
    int status = 0;
    waitpid(process, &status, 0);
    ends.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  return ends;
}

/// What every rank ends with when all is well.
inline std::vector<int> all_well(int size) {
  return std::vector<int>(size, kWell);
}

/// For checks in a rank, where Catch does not count.
inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("does not hold: " + what);
}

}  // namespace onestep::test
