// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "parallel/ranks.h"

/// Processes that compute together, as c10d connects them: Gloo for tensors of the host, NCCL for those on a
/// GPU. All functions are to be called by every rank in the same order, from one thread; with one rank each
/// of them is the identity. What a backend adds up is never used: sums are canonical (canonical_sum.h), and
/// have the same bits for every number of ranks.
namespace onestep {

class Group;  // the connections: communicator.cpp

/// A handle: copies share the connections.
struct Communicator {
  int rank = 0, size = 1;
  int local_rank = 0;            ///< on its machine: which GPU it takes
  std::shared_ptr<Group> group;  ///< null for one rank
};

/// Another rank is gone, or did not answer in time. The apps answer it with exit code 6: the same command
/// goes on from the last checkpoint.
class RankLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Connects this rank to the others, for tensors of the host. One that is silent for longer than `patience`
/// counts as lost, so that it must exceed the longest work that one rank does alone. Throws
/// config::ConfigError where the store's port is taken or no store is found, and RankLost where other ranks
/// don't come.
Communicator connect(const Ranks& ranks, std::chrono::seconds patience);

/// Connects the ranks' GPUs, too: from here on tensors on this one can be sent. Nothing to do on a CPU.
void connect_device(const Communicator& communicator, at::Device device);

/// Every rank's text, in the order of ranks; short ones, at the start.
std::vector<std::string> gather_texts(const Communicator& communicator, const std::string& text);

/// `tensor` as rank 0 has it, in place.
void broadcast(const Communicator& communicator, at::Tensor tensor);
/// A number as rank 0 has it.
int64_t broadcast(const Communicator& communicator, int64_t number);

/// Rows of all ranks in their order, [rows[0], …], [rows[1], …], … → [Σ rows, …], on all ranks. `mine` has
/// rows[rank]; the other dimensions and the dtype are the same on all.
at::Tensor gather(const Communicator& communicator, const at::Tensor& mine, const std::vector<int64_t>& rows);
/// The same on rank 0 alone; undefined on the others. Each rank's rows go to their place at once.
at::Tensor gather_on_first(const Communicator& communicator, const at::Tensor& mine,
                           const std::vector<int64_t>& rows);
/// The way back: of rank 0's `all` each gets its rows. `like` is a tensor of rows of that shape and dtype.
at::Tensor scatter_from_first(const Communicator& communicator, const at::Tensor& all, const at::Tensor& like,
                              const std::vector<int64_t>& rows);

/// The canonical sum of every rank's tensor, in place and in its order of ranks: all to all, a tree over
/// each rank's slice, and the slices to everybody.
void all_reduce(const Communicator& communicator, at::Tensor tensor);

/// Whether any rank says so.
bool any(const Communicator& communicator, bool mine);

/// Waits for all ranks.
void barrier(const Communicator& communicator);

/// Seconds that this rank has spent in these functions by now, waiting included.
double seconds_in_communication(const Communicator& communicator);

/// Whether any rank wants to stop, told a call later, so that nobody waits for it: all ranks hear the same at
/// the same call. Its messages have connections of their own.
class StopFlag {
 public:
  explicit StopFlag(Communicator communicator);
  ~StopFlag();
  bool heard(bool wanted);

 private:
  struct Flight;
  Communicator communicator_;
  std::unique_ptr<Flight> flight_;
};

}  // namespace onestep
