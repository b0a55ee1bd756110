// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "io/progress.h"

namespace onestep {

/// A progress bar for each stage in turn, and the end of the run when a signal came.
class StageBars {
 public:
  /// What an interrupted user is told.
  explicit StageBars(std::string farewell) : farewell_(std::move(farewell)) {}

  /// Throws Interrupted after SIGINT or SIGTERM.
  void update(const std::string& stage, int64_t done, int64_t total);
  void finish() { bar_.reset(); }

 private:
  std::string farewell_, stage_;
  std::unique_ptr<io::Progress> bar_;
};

}  // namespace onestep
