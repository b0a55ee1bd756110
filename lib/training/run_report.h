// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "training/figure.h"
#include "training/run_folder.h"
#include "training/run_history.h"

namespace onestep {

/// Writes the run's report.html from what its folder holds: the task's figures (each is also kept as
/// NAME.svg), the course of the score with its best point (where there is one), the newest sample sheet, a
/// curve for every number of the log, and the configuration. Its cost does not depend on the log's length.
/// Throws io::FileError.
void write_run_report(const RunFolder& folder, const std::string& title, const std::vector<Figure>& figures,
                      const RunHistory& history);

}  // namespace onestep
