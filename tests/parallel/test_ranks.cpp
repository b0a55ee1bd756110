// SPDX-License-Identifier: Apache-2.0
#include <map>

#include <catch2/catch.hpp>

#include "config/node.h"
#include "parallel/ranks.h"

using namespace onestep;
using Catch::Contains;

namespace {

Ranks found(const std::map<std::string, std::string>& set, const std::string& master = "") {
  return find_ranks(
      [&](const std::string& name) {
        const auto value = set.find(name);
        return value == set.end() ? std::nullopt : std::optional(value->second);
      },
      master);
}

const std::map<std::string, std::string> kTorchrun{{"RANK", "3"},
                                                   {"WORLD_SIZE", "4"},
                                                   {"LOCAL_RANK", "1"},
                                                   {"LOCAL_WORLD_SIZE", "2"},
                                                   {"MASTER_ADDR", "node1"},
                                                   {"MASTER_PORT", "29500"},
                                                   {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                                   {"TORCHELASTIC_RESTART_COUNT", "2"}};
const std::map<std::string, std::string> kMpirun{{"OMPI_COMM_WORLD_RANK", "1"},
                                                 {"OMPI_COMM_WORLD_SIZE", "2"},
                                                 {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                                 {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                                 {kParentVariable, "4711"}};
const std::map<std::string, std::string> kSrun{
    {"SLURM_PROCID", "5"},    {"SLURM_STEP_NUM_TASKS", "8"},
    {"SLURM_LOCALID", "1"},   {"SLURM_STEP_NODELIST", "gpu[07-08]"},
    {"SLURM_JOB_ID", "1234"}, {"SLURM_STEP_ID", "0"}};

std::map<std::string, std::string> without(std::map<std::string, std::string> set, const std::string& name) {
  set.erase(name);
  return set;
}

std::map<std::string, std::string> with(std::map<std::string, std::string> set, const std::string& name,
                                        const std::string& value) {
  set[name] = value;
  return set;
}

}  // namespace

TEST_CASE("A process that no launcher started is alone") {
  CHECK(found({}).size == 1);
  // A batch script without srun.
  CHECK(found({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_LOCALID", "0"}}).size == 1);
  // srun -n1, torchrun --nproc-per-node 1: nobody to meet.
  CHECK(found({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).size == 1);
}

TEST_CASE("torchrun's ranks meet in the store that its agent serves") {
  const Ranks ranks = found(kTorchrun);
  CHECK(ranks.launcher == "torchrun");
  CHECK((ranks.rank == 3 && ranks.size == 4 && ranks.local_rank == 1));
  CHECK((ranks.address == "node1" && ranks.port == 29500 && ranks.served && ranks.attempt == "2"));
  CHECK_FALSE(ranks.one_machine);
  CHECK(found(with(kTorchrun, "LOCAL_WORLD_SIZE", "4")).one_machine);
  CHECK(found(with(without(kTorchrun, "LOCAL_WORLD_SIZE"), "MASTER_ADDR", "127.0.0.1")).one_machine);
  CHECK(found(with(kTorchrun, kListeningVariable, "7")).listening == -1);  // it is rank 0's
  CHECK(found(with(with(kTorchrun, kListeningVariable, "7"), "RANK", "0")).listening == 7);
  CHECK_THROWS_WITH(found(kTorchrun, "node1:1"), Contains("--master"));
}

TEST_CASE("mpirun's ranks meet on their machine at a port that they all know, or where --master says") {
  const Ranks ranks = found(kMpirun);
  CHECK(ranks.launcher == "mpirun");
  CHECK((ranks.rank == 1 && ranks.size == 2 && ranks.one_machine && ranks.address == "127.0.0.1"));
  CHECK(ranks.port == found(with(kMpirun, "OMPI_COMM_WORLD_RANK", "0")).port);
  CHECK(ranks.port != found(with(kMpirun, kParentVariable, "4712")).port);
  const auto two_machines = with(kMpirun, "OMPI_COMM_WORLD_LOCAL_SIZE", "1");
  CHECK_THROWS_WITH(found(two_machines), Contains("--master HOST:PORT"));
  const Ranks far = found(two_machines, "head:4000");
  CHECK((far.address == "head" && far.port == 4000 && !far.one_machine));
  CHECK_THROWS_WITH(found(kMpirun, "head"), Contains("HOST:PORT"));
  CHECK_THROWS_WITH(found(kMpirun, "head:0"), Contains("from 1 to 65535"));
  // An MPI under Slurm inherits the variables of the step that started its servers.
  auto both = kSrun;
  both.insert(kMpirun.begin(), kMpirun.end());
  CHECK(found(both).launcher == "mpirun");
}

TEST_CASE("mpiexec of MPICH and Intel") {
  const Ranks ranks =
      found({{"PMI_RANK", "2"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "2"}, {"MPI_LOCALNRANKS", "3"}});
  CHECK(ranks.launcher == "mpiexec");
  CHECK((ranks.rank == 2 && ranks.size == 3 && ranks.one_machine));
}

TEST_CASE("srun's ranks meet on the first host of the step") {
  const Ranks ranks = found(kSrun);
  CHECK(ranks.launcher == "srun");
  CHECK((ranks.rank == 5 && ranks.size == 8 && ranks.local_rank == 1 && !ranks.one_machine));
  CHECK(ranks.address == "gpu07");
  CHECK(ranks.port != found(with(kSrun, "SLURM_JOB_ID", "1235")).port);
  CHECK(ranks.port != found(with(kSrun, "SLURM_STEP_ID", "1")).port);
  const Ranks near = found(with(kSrun, "SLURM_STEP_NODELIST", "gpu07"));
  CHECK((near.one_machine && near.address == "127.0.0.1"));
  // srun --mpi=pmi2 sets those of an MPI, too, and not all.
  CHECK(found(with(with(kSrun, "PMI_RANK", "5"), "PMI_SIZE", "8")).launcher == "srun");
  CHECK(first_host("login") == "login");
  CHECK(first_host("a,b[1-2]") == "a");
  CHECK(first_host("node[003-007,9],login") == "node003");
  CHECK(first_host("n[4]-ib") == "n4-ib");
  CHECK(first_host("n[") == "n");
}

TEST_CASE("Half a set of a launcher's variables is refused by name") {
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})
    CHECK_THROWS_WITH(found(without(kTorchrun, name)), Contains(name));
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"})
    CHECK_THROWS_WITH(found(without(kMpirun, name)), Contains(name));
  for (const char* name : {"SLURM_PROCID", "SLURM_JOB_ID", "SLURM_STEP_NODELIST"})
    CHECK_THROWS_WITH(found(without(kSrun, name)), Contains(name));
  for (const char* value : {"4", "-1", "two", "", "1e1", "99999999999999999999"})
    CHECK_THROWS_WITH(found(with(kTorchrun, "RANK", value)), Contains("RANK: expected a whole number"));
  CHECK_THROWS_WITH(found(with(kTorchrun, "MASTER_PORT", "70000")), Contains("MASTER_PORT"));
}
