// SPDX-License-Identifier: Apache-2.0
#include "training/loop.h"

#include <algorithm>

#include <c10/util/StringUtil.h>

#include "io/folder.h"
#include "io/image.h"
#include "io/jsonl.h"
#include "io/log.h"
#include "io/progress.h"
#include "parallel/together.h"
#include "training/checkpoint.h"
#include "training/drift.h"

namespace onestep {
namespace {

/// Whether the run can go on at nimg as if it had never been ended there.
void require_continuable(const RunConfig& config, const Run& run, int64_t nimg) {
  const auto refuse = [&](const std::string& why) {
    throw config::ConfigError(c10::str("run.images: ", run.folder.root.string(), " ", why));
  };
  if (nimg == 0 && io::path_exists(run.folder.model()))
    refuse("holds a model but no checkpoint to go on from; choose another run.dir");
  if (nimg > config.images) refuse(c10::str("has seen ", nimg, " images already, more than ", config.images));
  if (nimg < config.images && nimg % config.batch != 0)
    refuse(c10::str("ended after ", nimg, " images, with less than a batch of ", config.batch,
                    "; a longer run would have had a whole one there"));
}

/// Where a run begins this time.
struct Start {
  int64_t nimg = 0;
  bool has_ended = false;  ///< long ago: only its model is left
};

/// Puts the folder's newest checkpoint into the task's state.
Start start_run(const RunConfig& config, const Run& run, Task& task) {
  const RunFolder& folder = run.folder;
  const int64_t nimg = load_newest_checkpoint(folder.checkpoints(), task.state).value_or(0);
  if (nimg == 0 && images_of_model(folder.model()) == config.images) return {.has_ended = true};
  require_continuable(config, run, nimg);
  if (nimg > 0 && nimg < config.images)
    io::log_info(c10::str("resuming ", folder.root.string(), " at ", io::format_count(nimg), " images"));
  if (const int64_t lines = io::truncate_jsonl(folder.log(), nimg); lines > 0)
    io::log_warning(c10::str(folder.log().string(), ": ", lines,
                             lines == 1 ? " unreadable line is dropped" : " unreadable lines are dropped"));
  begin_run(run, nimg);
  return {nimg};
}

/// What rank 0 read, on all ranks.
Start tell(const Communicator& ranks, const Start& start, Task& task) {
  const Start told{broadcast(ranks, start.nimg), broadcast(ranks, start.has_ended) != 0};
  if (told.nimg > 0) {
    for (const auto& [name, tensor] : task.state) broadcast(ranks, tensor);
    task.restored();
  }
  return told;
}

/// The shards of this rank, step by step from nimg on.
class ShardOrder {
 public:
  ShardOrder(const RunConfig& config, int64_t nimg, const Communicator& ranks)
      : config_(config), ranks_(ranks), step_(step_at(nimg)) {}

  Step step_at(int64_t nimg) const {
    const int64_t size = std::min(config_.batch, config_.images - nimg);
    return size > 0 ? plan_step(nimg, size, shard_size(config_), ranks_) : Step{.nimg = nimg};
  }

  /// None after the last.
  std::optional<ShardRange> next() {
    if (next_ == step_.mine.count) {
      step_ = step_at(step_.nimg + step_.size);
      next_ = 0;
    }
    if (step_.size == 0) return std::nullopt;
    return range_of(step_, step_.mine.first + next_++);
  }

 private:
  const RunConfig& config_;
  const Communicator& ranks_;
  Step step_;
  int64_t next_ = 0;
};

/// A score in which this rank only helps.
void help_to_score(const Scoring& scoring, const Task& task, const RunConfig& config) {
  try {
    io::TensorFile model = task.model();
    model.path = RunFolder{config.dir}.model();
    scoring.score(model);
  } catch (const RankLost&) {
    throw;
  } catch (const std::exception&) {
    // rank 0 tells
  }
}

}  // namespace

RunEnd run_training(const RunConfig& config, const std::string& title, const Run* run, const Dataset& data,
                    Task& task, const std::function<bool()>& stop, const Scoring& scoring,
                    const Communicator& ranks) {
  Start start;
  together(ranks, [&] {
    if (run != nullptr) start = start_run(config, *run, task);
  });
  start = tell(ranks, start, task);
  require_same_state(ranks, task.state, start.nimg);
  int64_t nimg = start.nimg;
  std::optional<Recorder> recorder;  // of rank 0
  if (run != nullptr && !start.has_ended) recorder.emplace(config, title, *run, task, scoring, nimg, ranks);
  const auto score = [&] { recorder ? recorder->score(nimg) : help_to_score(scoring, task, config); };
  const auto end = [&](RunEnd how) {
    if (recorder) recorder->finish();
    if (run != nullptr && how == RunEnd::already_finished)
      io::log_info(run->folder.root.string() + ": already finished");
    barrier(ranks);  // nobody leaves before rank 0 has written
    return how;
  };
  if (start.has_ended) return end(RunEnd::already_finished);
  if (recorder) recorder->catch_up(nimg);
  if (broadcast(ranks, recorder && recorder->owes_score(nimg)) != 0) score();
  if (nimg == config.images) return end(RunEnd::already_finished);
  if (run != nullptr && task.snapshot && !io::has_image_files())
    io::log_info("no sample sheets: this build was configured with -DONESTEP_OPENCV=OFF");
  if (task.prepare && !task.prepare(stop)) return end(RunEnd::interrupted);

  ShardOrder order(config, nimg, ranks);
  const bool pinned = !task.device.is_cpu();
  Loader loader([&, reading = order]() mutable -> std::optional<Batch> {
    const std::optional<ShardRange> range = reading.next();
    if (!range) return std::nullopt;
    return read_batch(data, config.seed, range->nimg, range->size, config.flip, pinned);
  });
  StopFlag stopping(ranks);
  while (nimg < config.images) {
    Step step = order.step_at(nimg);
    step.read = [&](int64_t number) { return loader.take(range_of(step, number).nimg); };
    const StepStats stats = task.step(step);
    nimg += step.size;
    if (nimg == config.images) task.finish(data);
    const bool stopped = nimg < config.images && stopping.heard(stop());
    if (stopped || is_checkpoint(config, nimg, step.size)) require_same_state(ranks, task.state, nimg);
    if (recorder) recorder->after_step(stats, nimg, step.size);
    if (is_scored(scoring, config, nimg, step.size)) score();
    if (stopped && recorder) recorder->save(nimg);
    if (stopped) return end(RunEnd::interrupted);
  }
  return end(RunEnd::finished);
}

}  // namespace onestep
