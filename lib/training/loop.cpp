// SPDX-License-Identifier: Apache-2.0
#include "training/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "io/folder.h"
#include "io/image.h"
#include "io/jsonl.h"
#include "io/log.h"
#include "io/numerical_error.h"
#include "io/progress.h"
#include "training/checkpoint.h"
#include "training/run_report.h"

namespace onestep {
namespace {

using Clock = std::chrono::steady_clock;

/// Whether a step of `batch` images that ends at nimg passes a multiple of `every`.
bool passes(int64_t nimg, int64_t batch, int64_t every) {
  return nimg / every != (nimg - batch) / every;
}

std::string brief(const std::vector<std::pair<std::string, double>>& means) {
  std::string text;
  for (const auto& [name, value] : means) {
    if (name.find('/') != std::string::npos) continue;  // details are for the log
    char number[32];
    std::snprintf(number, sizeof number, "%.4g", value);
    text += (text.empty() ? "" : "  ") + name + " " + number;
  }
  return text;
}

void require_updates(const TickMeans& means, int64_t most, int64_t nimg) {
  const auto [prefix, updates] = means.longest_row();
  if (updates >= most) {
    throw NumericalError(c10::str("after ", nimg, " images the last ", updates, " updates are left out (",
                                  prefix, "skipped), since no gradient is finite; run.max_skipped is ", most,
                                  ". A smaller learning rate, or clip_norm of the optimizer, may help"));
  }
}

/// Warnings that were not there at the tick before: one that stays is said once. Numbers in it may change.
class News {
 public:
  std::vector<std::string> from(const std::vector<std::string>& warnings) {
    std::set<std::string> now;
    std::vector<std::string> fresh;
    for (const std::string& warning : warnings) {
      const std::string kind = without_numbers(warning);
      if (!told_.contains(kind)) fresh.push_back(warning);
      now.insert(kind);
    }
    told_ = std::move(now);
    return fresh;
  }

 private:
  static std::string without_numbers(std::string text) {
    std::erase_if(
        text, [](char c) { return std::string_view("0123456789.e+-").find(c) != std::string_view::npos; });
    return text;
  }
  std::set<std::string> told_;
};

/// One run's way through the folder: what happens beside the steps.
class Recorder {
 public:
  Recorder(const RunConfig& config, const std::string& title, const RunFolder& folder, Task& task,
           const Scoring& scoring, int64_t nimg)
      : config_(config),
        title_(title),
        folder_(folder),
        task_(task),
        scoring_(scoring),
        scores_(scores_of(folder.log())),
        log_(folder.log()),
        progress_(title, config.images, nimg),
        tick_start_(Clock::now()),
        tick_nimg_(nimg) {}

  /// After a step of `batch` images that ends at nimg.
  void after_step(const StepStats& stats, int64_t nimg, int64_t batch) {
    means_.add(stats);
    const bool last = nimg == config_.images;
    const bool checkpoint = last || passes(nimg, batch, config_.checkpoint_images);
    if (checkpoint || passes(nimg, batch, config_.tick_images)) tick(nimg);
    if (last || passes(nimg, batch, config_.snapshot_images)) snapshot(nimg);
    if (config_.model_images > 0 && passes(nimg, batch, config_.model_images)) {
      io::make_folders(folder_.models());
      task_.save_model(folder_.models() / (nimg_stem(nimg) + ".safetensors"));
    }
    if (last || is_scored(nimg, batch)) score(nimg);
    if (checkpoint) save(nimg);
    progress_.update(nimg, status_);
  }

  /// What a run that was stopped during a scoring still owes when it goes on at nimg.
  void catch_up(int64_t nimg) {
    if (nimg > 0 && is_scored(nimg, config_.batch) && !scores_.contains(nimg)) score(nimg);
  }

  void save(int64_t nimg) {
    if (nimg != tick_nimg_) tick(nimg);  // a checkpoint is never made of numbers that were not looked at
    save_checkpoint(folder_.checkpoints(), task_.state, nimg, config_.keep_checkpoints);
    task_.save_model(folder_.model());
    write_run_report(folder_, title_, task_.figures ? task_.figures() : std::vector<Figure>{}, scoring_.name);
  }

  void finish() { progress_.finish(); }

 private:
  bool is_scored(int64_t nimg, int64_t batch) const {
    return scoring_.every_images > 0 && passes(nimg, batch, scoring_.every_images);
  }

  /// Scores the model as it is now, and keeps it if none before was better.
  void score(int64_t nimg) {
    if (scoring_.every_images == 0) return;
    const Clock::time_point start = Clock::now();
    const std::filesystem::path candidate = folder_.root / "candidate.safetensors";
    task_.save_model(candidate);
    std::error_code error;
    std::optional<ModelScore> scored;
    try {
      scored = scoring_.score(candidate);
    } catch (...) {
      std::filesystem::remove(candidate, error);
      throw;
    }
    if (!scored) {
      std::filesystem::remove(candidate, error);
      return;
    }
    const bool best = std::ranges::none_of(scores_, [&](const auto& s) { return s.second <= scored->value; });
    if (best) task_.save_model(folder_.best());  // not renamed: that would replace a link
    std::filesystem::remove(candidate, error);
    if (error) throw io::FileError(candidate, "cannot be removed: " + error.message());
    scores_[nimg] = scored->value;
    nlohmann::ordered_json line{{"nimg", nimg}, {scoring_.name, scored->value}};
    if (scored->error) line[scoring_.name + "_se"] = *scored->error;
    log_.append(line);
    const std::string error_text = scored->error ? c10::str(" ± ", *scored->error) : "";
    io::log_info(c10::str(scoring_.name, " ", scored->value, error_text, " after ", io::format_count(nimg),
                          " images", best ? ", the best so far" : ""));
    tick_start_ += Clock::now() - start;  // the time was not spent on training
  }

  /// The scores that a log holds, by images.
  std::map<int64_t, double> scores_of(const std::filesystem::path& log) const {
    std::map<int64_t, double> scores;
    if (!io::path_exists(log)) return scores;
    for (const auto& line : io::read_jsonl(log))
      if (line.contains(scoring_.name) && line[scoring_.name].is_number() && line.contains("nimg") &&
          line["nimg"].is_number_integer())
        scores[line["nimg"].get<int64_t>()] = line[scoring_.name].get<double>();
    return scores;
  }

  void tick(int64_t nimg) {
    const auto means = means_.take();
    require_updates(means_, config_.max_skipped, nimg);
    const double seconds = std::chrono::duration<double>(Clock::now() - tick_start_).count();
    nlohmann::ordered_json line{{"nimg", nimg},
                                {"images_per_sec", static_cast<double>(nimg - tick_nimg_) / seconds}};
    for (const auto& [name, value] : means)
      line[name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
    status_ = brief(means);
    const Diagnosis diagnosis = task_.diagnose ? task_.diagnose() : Diagnosis{};
    line.update(diagnosis.values);
    log_.append(line);
    if (!diagnosis.status.empty()) status_ += "  " + diagnosis.status;
    for (const std::string& warning : news_.from(diagnosis.warnings)) io::log_warning(warning);
    tick_start_ = Clock::now();
    tick_nimg_ = nimg;
  }

  void snapshot(int64_t nimg) {
    if (!task_.snapshot || !io::has_image_files()) return;
    try {
      io::write_png(folder_.samples() / (nimg_stem(nimg) + ".png"), task_.snapshot());
    } catch (const std::exception& error) {  // a picture never ends a run
      io::log_warning(std::string("no sample sheet: ") + error.what());
    }
  }

  const RunConfig& config_;
  const std::string title_;
  const RunFolder& folder_;
  Task& task_;
  const Scoring& scoring_;
  std::map<int64_t, double> scores_;  // by images
  io::JsonLines log_;
  io::Progress progress_;
  TickMeans means_;
  std::string status_;
  News news_;
  Clock::time_point tick_start_;
  int64_t tick_nimg_;
};

}  // namespace

std::vector<Batch> split(const Batch& batch, int64_t micro_batch) {
  const int64_t size = batch.images.size(0);
  if (micro_batch == 0 || micro_batch >= size) return {batch};
  std::vector<Batch> parts;
  for (int64_t first = 0; first < size; first += micro_batch) {
    const int64_t last = std::min(first + micro_batch, size);
    parts.push_back({batch.images.slice(0, first, last), batch.labels.slice(0, first, last),
                     batch.indices.slice(0, first, last)});
  }
  return parts;
}

RunEnd run_training(const RunConfig& config, const std::string& title, const RunFolder& folder,
                    const Dataset& data, Task& task, const std::function<bool()>& stop,
                    const Scoring& scoring) {
  int64_t nimg = load_newest_checkpoint(folder.checkpoints(), task.state).value_or(0);
  if (nimg > 0) io::log_info(c10::str("resuming ", folder.root.string(), " at ", nimg, " images"));
  if (nimg >= config.images) {
    if (!io::path_exists(folder.model())) task.save_model(folder.model());
    io::log_info(folder.root.string() + ": already finished");
    return RunEnd::finished;
  }

  if (task.snapshot && !io::has_image_files())
    io::log_info("no sample sheets: this build was configured with -DONESTEP_OPENCV=OFF");
  if (const int64_t lines = io::truncate_jsonl(folder.log(), nimg); lines > 0)
    io::log_warning(c10::str(folder.log().string(), ": ", lines,
                             lines == 1 ? " unreadable line is dropped" : " unreadable lines are dropped"));
  Recorder recorder(config, title, folder, task, scoring, nimg);
  recorder.catch_up(nimg);
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
