// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace onestep {

/// How a number went over a run, thinned: a point is the mean of `stride` values, which doubles whenever
/// there are kMostPoints, so that a curve of any run costs the same.
struct Curve {
  static constexpr size_t kMostPoints = 512;
  std::string key;
  std::vector<double> x, y;  ///< images, values
  int64_t stride = 1;
  double x_sum = 0, y_sum = 0;  ///< of the values that are no point yet
  int64_t waiting = 0;          ///< how many those are
};

/// Adds a value; one that is not finite is left out.
void add_value(Curve& curve, double x, double y);

/// A list of a run's log: its last values.
struct LastList {
  std::string key;
  std::vector<double> values;
};

/// What is kept in memory of a run's log. Its size, and the cost of a line, don't grow with the run.
struct RunHistory {
  std::string score;  ///< the key by which models are compared, lower is better; "" for none
  std::vector<Curve> curves;
  std::vector<LastList> lists;
  std::map<int64_t, double> scores;        ///< by images, since what is scored last changed
  std::map<int64_t, double> score_errors;  ///< standard errors, where known
};

/// Takes up a line of the log: {"nimg": …, "loss": …}. What is neither a number nor a list is passed over; a
/// line with changes of `evaluation.…` ends the comparison with earlier scores.
void add_line(RunHistory& history, const nlohmann::ordered_json& line);

/// The history that a log tells; empty without the file. Throws io::FileError where it cannot be read.
RunHistory read_history(const std::filesystem::path& log, const std::string& score);

/// The images at which the score was best, the first of equals; no value without any.
std::optional<int64_t> best_of(const RunHistory& history);

}  // namespace onestep
