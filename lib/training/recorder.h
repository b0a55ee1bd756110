// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/event_file.h"
#include "io/jsonl.h"
#include "io/progress.h"
#include "parallel/communicator.h"
#include "training/run.h"
#include "training/run_config.h"
#include "training/run_history.h"
#include "training/task.h"
#include "training/writer.h"

namespace onestep {

/// How good a model is; lower is better.
struct ModelScore {
  double value = 0;
  std::optional<double> error;  ///< standard error, where one is known
};

/// Looks at the model at fixed counts of images. The loop knows neither what is measured nor how.
struct Scoring {
  std::string name;          ///< in the log: "fid"
  int64_t every_images = 0;  ///< 0: never
  /// Of a model; no value when it was stopped on its way.
  std::function<std::optional<ModelScore>(const io::TensorFile& model)> score;
};

/// Whether a step of `size` images that ends at nimg is followed by a checkpoint.
bool is_checkpoint(const RunConfig& config, int64_t nimg, int64_t size);
/// Likewise by a score.
bool is_scored(const Scoring& scoring, const RunConfig& config, int64_t nimg, int64_t size);

/// After how many images a model file was written; no value where there is none or it doesn't say.
std::optional<int64_t> images_of_model(const std::filesystem::path& model);

/// Warnings that were not there at the tick before: one that stays is said once. Numbers in it may change.
class News {
 public:
  std::vector<std::string> from(const std::vector<std::string>& warnings);

 private:
  std::set<std::string> told_;
};

/// One run's way through its folder: what happens beside the steps. Checkpoints, models and the report are
/// copied at once and written beside the training; what goes wrong with one is thrown when the next is due,
/// or by finish().
class Recorder {
 public:
  Recorder(const RunConfig& config, std::string title, const Run& run, Task& task, const Scoring& scoring,
           int64_t nimg, const Communicator& ranks);

  /// After a step of `batch` images that ends at nimg.
  void after_step(const StepStats& stats, int64_t nimg, int64_t batch);
  /// Scores the model as it is now, and keeps it if none before was better.
  void score(int64_t nimg);
  /// The model of a run that was killed between a checkpoint and that, and goes on at nimg.
  void catch_up(int64_t nimg);
  /// Whether it was killed before its score.
  bool owes_score(int64_t nimg) const;
  /// Checkpoint, model and report, unless this moment's are there.
  void save(int64_t nimg);
  /// Waits until all is written.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void tick(int64_t nimg);
  void snapshot(int64_t nimg);
  void log(const nlohmann::ordered_json& line);
  io::EventFile* events();
  io::TensorFile labelled_copy(io::TensorFile model, int64_t nimg) const;
  std::function<void()> write_models(int64_t nimg) const;
  std::function<void()> report() const;

  const RunConfig& config_;
  const std::string title_;
  const Run& run_;
  Task& task_;
  const Scoring& scoring_;
  RunHistory history_;
  io::JsonLines log_;
  std::optional<io::EventFile> events_;  ///< of run.tensorboard, from the first event on
  std::optional<io::Progress> progress_;
  const Communicator ranks_;
  double seconds_in_communication_ = 0;  ///< up to the last tick
  TickMeans means_;
  std::string status_;
  News news_;
  Clock::time_point tick_start_;
  int64_t tick_nimg_, saved_nimg_;
  const int64_t first_nimg_;  ///< at which this process began
  Writer writer_;
};

}  // namespace onestep
