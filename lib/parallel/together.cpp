// SPDX-License-Identifier: Apache-2.0
#include "parallel/together.h"

#include <algorithm>
#include <filesystem>
#include <new>

#include <c10/util/Exception.h>

#include "config/node.h"
#include "io/file_error.h"
#include "io/interrupted.h"
#include "io/memory.h"
#include "io/numerical_error.h"

namespace onestep {
namespace {

template <class... Types>
bool is_one_of(const std::exception& error) {
  return ((dynamic_cast<const Types*>(&error) != nullptr) || ...);
}

FailureKind kind_of(const std::exception& error) {
  if (is_one_of<config::ConfigError, io::TooLittleMemory, std::bad_alloc, c10::OutOfMemoryError>(error))
    return FailureKind::usage;
  if (is_one_of<io::FileError, std::filesystem::filesystem_error>(error)) return FailureKind::file;
  if (is_one_of<NumericalError>(error)) return FailureKind::numerical;
  if (is_one_of<Interrupted>(error)) return FailureKind::interrupted;
  return FailureKind::other;
}

FailureKind kind_told(const std::string& text) {
  return static_cast<FailureKind>(text.front() - '0');
}

}  // namespace

void together(const Communicator& communicator, const std::function<void()>& work) {
  if (communicator.size == 1) return work();
  std::exception_ptr failure;
  std::string told;  // the kind's digit and the message; empty where all went well
  try {
    work();
  } catch (const RankLost&) {
    throw;  // there is nobody to tell
  } catch (const std::exception& error) {
    failure = std::current_exception();
    told = std::to_string(static_cast<int>(kind_of(error))) + error.what();
  }
  const std::vector<std::string> all = gather_texts(communicator, told);
  const auto interrupted = std::ranges::find_if(all, [](const std::string& text) {
    return !text.empty() && kind_told(text) == FailureKind::interrupted;
  });
  if (interrupted != all.end()) throw Interrupted(interrupted->substr(1));
  for (int rank = 0; rank < communicator.size; ++rank) {
    if (all[rank].empty()) continue;
    if (rank == communicator.rank) std::rethrow_exception(failure);
    throw RankFailed(rank, kind_told(all[rank]), all[rank].substr(1));
  }
}

void one_of_a_machine_first(const Communicator& communicator, const std::function<void()>& work) {
  for (const bool first : {true, false})
    together(communicator, [&] {
      if ((communicator.local_rank == 0) == first) work();
    });
}

}  // namespace onestep
