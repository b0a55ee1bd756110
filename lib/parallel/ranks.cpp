// SPDX-License-Identifier: Apache-2.0
#include "parallel/ranks.h"

#include <charconv>

#include "config/node.h"

namespace onestep {
namespace {

using config::ConfigError;

/// What a launcher calls what it tells.
struct Launcher {
  const char* name;
  const char *rank, *size, *local_rank, *local_size;
  const char* marks;  ///< of the two first the one that is set for ranks alone; nullptr: either is
};

constexpr Launcher kLaunchers[]{
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", nullptr},
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE", nullptr},
    {"mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "", "SLURM_STEP_NUM_TASKS"},
};

constexpr int64_t kMostRanks = 65536, kFirstPort = 20000, kPorts = 20000;

int64_t number(const std::string& name, const std::string& text, int64_t low, int64_t high) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
    throw ConfigError(name + ": expected a whole number from " + std::to_string(low) + " to " +
                      std::to_string(high) + ", got '" + config::shown(text) + "'");
  return value;
}

/// Throws where a variable that goes with `set` is missing.
std::string required(const Variables& variables, const std::string& name, const std::string& set) {
  const auto value = variables(name);
  if (!value)
    throw ConfigError(set + " is set and " + name +
                      " is not: a launcher sets both; unset the one to run alone");
  return *value;
}

bool is_used(const Launcher& launcher, const Variables& variables) {
  if (launcher.marks != nullptr) return variables(launcher.marks).has_value();
  return variables(launcher.rank) || variables(launcher.size);
}

/// A port for numbers of jobs and processes, so that two that run at once seldom meet.
uint16_t port_of(int64_t job) {
  return static_cast<uint16_t>(kFirstPort + job % kPorts);
}

void meet_at(Ranks& ranks, const std::string& master) {
  const size_t colon = master.rfind(':');
  if (colon == std::string::npos || colon == 0)
    throw ConfigError("--master: expected HOST:PORT, got '" + config::shown(master) + "'");
  ranks.address = master.substr(0, colon);
  ranks.port = static_cast<uint16_t>(number("--master", master.substr(colon + 1), 1, 65535));
}

/// Of a launcher that does not say where the ranks meet.
void find_place(Ranks& ranks, const Variables& variables) {
  const auto nodes = variables("SLURM_STEP_NODELIST"), job = variables("SLURM_JOB_ID");
  if (ranks.launcher == "srun" || (!ranks.one_machine && nodes && job)) {
    const std::string set = "SLURM_STEP_NUM_TASKS";
    ranks.address =
        ranks.one_machine ? "127.0.0.1" : first_host(required(variables, "SLURM_STEP_NODELIST", set));
    const auto step = variables("SLURM_STEP_ID");
    ranks.port =
        port_of(number("SLURM_JOB_ID", required(variables, "SLURM_JOB_ID", set), 0, INT64_MAX / 64) * 31 +
                (step ? number("SLURM_STEP_ID", *step, 0, UINT32_MAX) : 0));
    return;
  }
  if (!ranks.one_machine)
    throw ConfigError("the ranks of " + ranks.launcher +
                      " are on several machines: --master HOST:PORT says where they meet, the host of rank 0 "
                      "and a free port of it");
  ranks.address = "127.0.0.1";
  if (const auto job = variables("PMIX_NAMESPACE")) {  // Open MPI's name of the job
    ranks.port = port_of(static_cast<int64_t>(std::hash<std::string>{}(*job) >> 1));
    return;
  }
  ranks.port = port_of(number(kParentVariable, variables(kParentVariable).value_or("0"), 0, INT64_MAX));
}

}  // namespace

std::string first_host(const std::string& list) {
  const size_t comma = list.find(','), bracket = list.find('[');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const size_t end = list.find_first_of("-,]", bracket + 1), close = list.find(']', bracket);
  if (end == std::string::npos || close == std::string::npos) return list.substr(0, bracket);
  const size_t after = list.find(',', close);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1) +
         list.substr(close + 1, after == std::string::npos ? after : after - close - 1);
}

Ranks find_ranks(const Variables& variables, const std::string& master) {
  Ranks ranks;
  for (const Launcher& launcher : kLaunchers) {
    if (!is_used(launcher, variables)) continue;
    const auto set = [&](const char* but) {
      return std::string(but != launcher.rank && variables(launcher.rank) ? launcher.rank : launcher.size);
    };
    ranks.launcher = launcher.name;
    ranks.size = static_cast<int>(
        number(launcher.size, required(variables, launcher.size, launcher.rank), 1, kMostRanks));
    ranks.rank = static_cast<int>(
        number(launcher.rank, required(variables, launcher.rank, set(launcher.rank)), 0, ranks.size - 1));
    const auto local = variables(launcher.local_rank);
    ranks.local_rank =
        local ? static_cast<int>(number(launcher.local_rank, *local, 0, ranks.size - 1)) : ranks.rank;
    const auto here = variables(launcher.local_size);
    if (ranks.launcher == "srun") {
      const std::string nodes = variables("SLURM_STEP_NODELIST").value_or("");
      ranks.one_machine = !nodes.empty() && nodes == first_host(nodes);
    } else {
      ranks.one_machine =
          here && number(launcher.local_size, *here, 1, ranks.size) == static_cast<int64_t>(ranks.size);
    }
    break;
  }
  if (ranks.size == 1) return ranks;
  if (ranks.launcher != "torchrun") {
    if (master.empty()) {
      find_place(ranks, variables);
    } else {
      meet_at(ranks, master);
    }
    return ranks;
  }
  if (!master.empty()) throw ConfigError("--master: torchrun says itself where ranks meet; leave it out");
  ranks.address = required(variables, "MASTER_ADDR", "WORLD_SIZE");
  ranks.port = static_cast<uint16_t>(
      number("MASTER_PORT", required(variables, "MASTER_PORT", "WORLD_SIZE"), 1, 65535));
  ranks.one_machine = ranks.one_machine || ranks.address == "127.0.0.1" || ranks.address == "localhost";
  ranks.served = variables("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  ranks.attempt = variables("TORCHELASTIC_RESTART_COUNT").value_or("0");
  if (const auto socket = variables(kListeningVariable)) {
    ranks.launcher = "--ranks";
    if (ranks.rank == 0)
      ranks.listening = static_cast<int>(number(kListeningVariable, *socket, 0, INT32_MAX));
  }
  return ranks;
}

}  // namespace onestep
