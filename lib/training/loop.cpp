// SPDX-License-Identifier: Apache-2.0
#include "training/loop.h"

#include <algorithm>

#include <c10/util/StringUtil.h>

#include "io/folder.h"
#include "io/image.h"
#include "io/jsonl.h"
#include "io/log.h"
#include "io/progress.h"
#include "training/checkpoint.h"

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

}  // namespace

RunEnd run_training(const RunConfig& config, const std::string& title, const Run& run, const Dataset& data,
                    Task& task, const std::function<bool()>& stop, const Scoring& scoring) {
  const RunFolder& folder = run.folder;
  int64_t nimg = load_newest_checkpoint(folder.checkpoints(), task.state).value_or(0);
  const auto already_finished = [&] {
    io::log_info(folder.root.string() + ": already finished");
    return RunEnd::already_finished;
  };
  if (nimg == 0 && images_of_model(folder.model()) == config.images) return already_finished();
  require_continuable(config, run, nimg);
  if (nimg > 0 && nimg < config.images)
    io::log_info(c10::str("resuming ", folder.root.string(), " at ", io::format_count(nimg), " images"));
  if (const int64_t lines = io::truncate_jsonl(folder.log(), nimg); lines > 0)
    io::log_warning(c10::str(folder.log().string(), ": ", lines,
                             lines == 1 ? " unreadable line is dropped" : " unreadable lines are dropped"));
  begin_run(run, nimg);

  Recorder recorder(config, title, run, task, scoring, nimg);
  recorder.catch_up(nimg);
  if (nimg == config.images) {
    recorder.finish();
    return already_finished();
  }
  if (task.snapshot && !io::has_image_files())
    io::log_info("no sample sheets: this build was configured with -DONESTEP_OPENCV=OFF");
  if (task.prepare && !task.prepare(stop)) {
    recorder.finish();
    return RunEnd::interrupted;
  }
  const auto read = [&](int64_t first) {
    return read_batch(data, config.seed, first, std::min(config.batch, config.images - first), config.flip);
  };
  Loader loader([&](int64_t first) { return first < config.images ? read(first) : Batch{}; }, nimg,
                config.batch);
  while (nimg < config.images) {
    const Batch batch = loader.next();
    const StepStats stats = task.step(batch);
    const int64_t size = batch.images.size(0);
    nimg += size;
    if (nimg == config.images) task.finish(data);
    recorder.after_step(stats, nimg, size);
    if (nimg < config.images && stop()) {
      recorder.save(nimg);
      recorder.finish();
      return RunEnd::interrupted;
    }
  }
  recorder.finish();
  return RunEnd::finished;
}

}  // namespace onestep
