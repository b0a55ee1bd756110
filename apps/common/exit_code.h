// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace onestep {

/// How a command ends (run_app.h).
enum ExitCode {
  kDone = 0,
  kOther = 1,
  kUsage = 2,
  kFile = 3,
  kNumerical = 4,
  kBelowStandard = 5,
  kRankLost = 6,
  kSignal = 128
};

}  // namespace onestep
