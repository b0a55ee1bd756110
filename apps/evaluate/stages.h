// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "io/progress.h"

namespace onestep {

/// A progress bar for each stage in turn, and the end of the run when a signal came.
class StageBars {
 public:
  /// Throws Interrupted after SIGINT or SIGTERM.
  void update(const std::string& stage, int64_t done, int64_t total);
  void finish() { bar_.reset(); }

 private:
  std::string stage_;
  std::unique_ptr<io::Progress> bar_;
};

}  // namespace onestep
