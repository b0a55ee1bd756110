// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "parallel/communicator.h"

namespace onestep {

/// What went wrong, as the exit codes of the apps tell it apart.
enum class FailureKind { other, usage, file, numerical, interrupted };

/// Work that all ranks did and that failed on another one, which tells why.
class RankFailed : public std::runtime_error {
 public:
  RankFailed(int rank, FailureKind kind, const std::string& message)
      : std::runtime_error("rank " + std::to_string(rank) + ": " + message), kind_(kind) {}
  FailureKind kind() const noexcept { return kind_; }

 private:
  FailureKind kind_;
};

/// work() on every rank; returns when all are done. Where it threw on any rank all throw: the first of those
/// ranks what it threw there, the others RankFailed, so that nobody waits for one that has given up; where
/// one was interrupted, all throw Interrupted. work() must not communicate.
void together(const Communicator& communicator, const std::function<void()>& work);

/// The same in two turns: the first rank of each machine, and then the others, who find what it left in a
/// cache.
void one_of_a_machine_first(const Communicator& communicator, const std::function<void()>& work);

}  // namespace onestep
