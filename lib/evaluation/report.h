// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "evaluation/evaluate.h"

namespace onestep {

/// How an evaluation came about: what only the app knows.
struct Provenance {
  std::string command;  ///< to be pasted into a shell
  std::string date;     ///< UTC, ISO 8601
  std::string onestep, libtorch;
  std::string device;
  int64_t threads = 0;
  double seconds = 0;  ///< of the whole evaluation
};

/// The schema that report.json follows. A key may be added within a version; none is removed or changes its
/// meaning.
inline constexpr int kReportSchema = 1;

/// report.json, as report.schema.json in this folder documents it key by key; "metrics" is the headline's
/// (the first subject's). Numbers are finite, or null with the reason beside them.
nlohmann::ordered_json report_json(const Evaluation& evaluation, const Provenance& provenance);

/// report.html: one page, without scripts and without anything from a network.
std::string report_html(const Evaluation& evaluation, const Provenance& provenance);

/// One line on how the headline stands to the baseline; "" without a baseline.
std::string verdict_sentence(const Evaluation& evaluation);

/// What the command prints: a table of name, NFE, FID ± SE and N, and one of the metrics beside FID that were
/// asked for.
std::string summary_table(const Evaluation& evaluation);

}  // namespace onestep
