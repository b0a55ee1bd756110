// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdexcept>

namespace onestep {

/// Work that ended early, in good order, because a signal asked for it. `what()` says how things stand. The
/// apps answer it with 128 and the signal.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace onestep
