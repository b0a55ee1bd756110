// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace onestep {

/// Who this process is among those that a launcher started.
struct Ranks {
  int rank = 0, size = 1;
  int local_rank = 0;       ///< on its machine
  bool one_machine = true;  ///< all are on the same one
  std::string launcher;     ///< "torchrun", "srun", "mpirun", "mpiexec", "--ranks"; "" for a process alone
  std::string address;      ///< where the store is that they meet in
  uint16_t port = 0;
  bool served = false;        ///< the launcher serves the store, and rank 0 is a client of it
  int listening = -1;         ///< a socket that listens there already, handed to rank 0; -1: none
  std::string attempt = "0";  ///< of a launcher that starts ranks anew and keeps the store
};

/// The value of a variable of the environment; none where it is not set.
using Variables = std::function<std::optional<std::string>(const std::string& name)>;

/// Names by which `--ranks` hands its socket to rank 0, and by which a process that has none of its own finds
/// a port that the processes of one mpirun share: the number of the process that started them.
inline constexpr const char* kListeningVariable = "ONESTEP_LISTENING";
inline constexpr const char* kParentVariable = "ONESTEP_PARENT_PROCESS";

/// From what launchers tell the processes that they start:
///
///   torchrun       RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT (and LOCAL_RANK, LOCAL_WORLD_SIZE)
///   mpirun         OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK, _LOCAL_SIZE   (Open MPI)
///   mpiexec        PMI_RANK, PMI_SIZE, MPI_LOCALRANKID, MPI_LOCALNRANKS    (MPICH, Intel)
///   srun           SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID
///
/// An MPI's own variables come before Slurm's, which its processes inherit. A batch script without srun is a
/// process alone. The store of srun is on the first host of SLURM_STEP_NODELIST, at a port that the job's
/// number gives; an MPI tells of none, and its ranks meet on their machine, at a port that the job's name
/// gives or the process that started them; `master`, "HOST:PORT" or "", says otherwise.
///
/// Throws config::ConfigError for half a set of them, for what is no number or out of range, and where ranks
/// of mpirun are on several machines and there is no `master`.
Ranks find_ranks(const Variables& variables, const std::string& master = "");

/// The first host of a list such as "node[003-007,9],login": "node003".
std::string first_host(const std::string& list);

}  // namespace onestep
