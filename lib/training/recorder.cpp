// SPDX-License-Identifier: Apache-2.0
#include "training/recorder.h"

#include <cmath>
#include <cstdio>
#include <utility>

#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "io/atomic_file.h"
#include "io/folder.h"
#include "io/image.h"
#include "io/log.h"
#include "io/numerical_error.h"
#include "training/checkpoint.h"
#include "training/run_report.h"

namespace onestep {
namespace {

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

void require_updates(const TickMeans& means, int64_t most, int64_t nimg, int64_t saved) {
  const auto [prefix, updates] = means.longest_row();
  if (updates < most) return;
  throw NumericalError(c10::str("after ", nimg, " images the last ", updates, " updates are left out (",
                                prefix, "skipped), since no gradient is finite; run.max_skipped is ", most,
                                ". A smaller learning rate, or clip_norm of the optimizer, may help; ",
                                saved > 0 ? c10::str("the last checkpoint is that of ", saved, " images")
                                          : "there is no checkpoint yet"));
}

/// The numbers of a line of the log by name, those of a list as NAME/0, NAME/1, …
std::vector<std::pair<std::string, double>> numbers_of(const nlohmann::ordered_json& line) {
  std::vector<std::pair<std::string, double>> numbers;
  const auto add = [&](const std::string& name, const nlohmann::ordered_json& value) {
    if (value.is_number()) numbers.emplace_back(name, value.get<double>());
    if (value.is_null()) numbers.emplace_back(name, NAN);
  };
  for (const auto& [name, value] : line.items()) {
    if (name == "nimg") continue;
    add(name, value);
    if (!value.is_array()) continue;
    for (size_t i = 0; i < value.size(); ++i) add(name + "/" + std::to_string(i), value[i]);
  }
  return numbers;
}

/// Copies in the host's memory, which stay what they are while the training goes on.
NamedTensors copied(const NamedTensors& tensors) {
  NamedTensors copies;
  for (const auto& [name, tensor] : tensors)
    copies.emplace_back(name, tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false,
                                                 /*copy=*/true));
  return copies;
}

void write(const std::filesystem::path& path, const io::TensorFile& model) {
  io::write_safetensors(path, model.tensors, model.metadata);
}

}  // namespace

bool is_checkpoint(const RunConfig& config, int64_t nimg, int64_t size) {
  return nimg == config.images || passes(nimg, size, checkpoint_interval(config));
}

bool is_scored(const Scoring& scoring, const RunConfig& config, int64_t nimg, int64_t size) {
  return scoring.every_images > 0 && (nimg == config.images || passes(nimg, size, scoring.every_images));
}

std::optional<int64_t> images_of_model(const std::filesystem::path& model) {
  if (!io::path_exists(model)) return std::nullopt;
  try {
    const auto metadata = io::read_safetensors_metadata(model);
    const auto found = metadata.find(kNimgKey);
    if (found == metadata.end() || found->second.size() > 18 ||
        found->second.find_first_not_of("0123456789") != std::string::npos)
      return std::nullopt;
    return std::stoll(found->second);
  } catch (const io::FileError&) {
    return std::nullopt;
  }
}

std::vector<std::string> News::from(const std::vector<std::string>& warnings) {
  std::set<std::string> now;
  std::vector<std::string> fresh;
  for (const std::string& warning : warnings) {
    std::string kind = warning;
    std::erase_if(
        kind, [](char c) { return std::string_view("0123456789.e+-").find(c) != std::string_view::npos; });
    if (!told_.contains(kind)) fresh.push_back(warning);
    now.insert(std::move(kind));
  }
  told_ = std::move(now);
  return fresh;
}

Recorder::Recorder(const RunConfig& config, std::string title, const Run& run, Task& task,
                   const Scoring& scoring, int64_t nimg, const Communicator& ranks)
    : config_(config),
      title_(std::move(title)),
      run_(run),
      task_(task),
      scoring_(scoring),
      history_(read_history(run.folder.log(), scoring.name)),
      log_(run.folder.log()),
      ranks_(ranks),
      tick_start_(Clock::now()),
      tick_nimg_(nimg),
      saved_nimg_(nimg),
      first_nimg_(nimg) {}

/// Null without run.tensorboard.
io::EventFile* Recorder::events() {
  if (!config_.tensorboard) return nullptr;
  if (!events_) {
    const int64_t first = first_nimg_ == 0 ? 0 : first_nimg_ + 1;  // what was told at the checkpoint stays
    events_.emplace(run_.folder.tensorboard(), first);
    events_->text(first, "config", "```\n" + run_.yaml + "\n```");
  }
  return &*events_;
}

void Recorder::after_step(const StepStats& stats, int64_t nimg, int64_t batch) {
  if (!progress_) progress_.emplace(title_, config_.images, nimg - batch);
  means_.add(stats);
  const bool last = nimg == config_.images;
  const bool checkpoint = is_checkpoint(config_, nimg, batch);
  if (checkpoint || passes(nimg, batch, tick_interval(config_))) tick(nimg);
  if (last || passes(nimg, batch, snapshot_interval(config_))) snapshot(nimg);
  if (config_.model_images > 0 && passes(nimg, batch, config_.model_images)) {
    io::make_folders(run_.folder.models());
    writer_.submit([path = run_.folder.models() / (nimg_stem(nimg) + ".safetensors"),
                    model = labelled_copy(task_.model(), nimg)] { write(path, model); });
  }
  if (checkpoint) save(nimg);
  progress_->update(nimg, status_);
}

void Recorder::catch_up(int64_t nimg) {
  if (nimg == 0) return;
  if (images_of_model(run_.folder.model()) != nimg)
    writer_.submit([models = write_models(nimg), report = report()] {
      models();
      report();
    });
}

bool Recorder::owes_score(int64_t nimg) const {
  return nimg > 0 && is_scored(scoring_, config_, nimg, config_.batch) && !history_.scores.contains(nimg);
}

void Recorder::save(int64_t nimg) {
  if (nimg == saved_nimg_) return;
  if (nimg != tick_nimg_) tick(nimg);  // a checkpoint is never made of numbers that were not looked at
  writer_.submit([folder = run_.folder, metadata = run_.metadata, keep = config_.keep_checkpoints, nimg,
                  state = copied(task_.state), models = write_models(nimg), report = report()] {
    save_checkpoint(folder.checkpoints(), state, nimg, keep, metadata);
    models();
    report();
  });
  saved_nimg_ = nimg;
}

void Recorder::finish() {
  if (progress_) progress_->finish();
  writer_.wait();
}

void Recorder::score(int64_t nimg) {
  const Clock::time_point start = Clock::now();
  const io::TensorFile model = labelled_copy(task_.model(), nimg);
  std::optional<ModelScore> scored;
  try {
    scored = scoring_.score(model);
  } catch (const RankLost&) {
    throw;
  } catch (const std::exception& error) {
    io::log_warning(
        c10::str("no ", scoring_.name, " after ", io::format_count(nimg), " images: ", error.what()));
  }
  tick_start_ += Clock::now() - start;  // the time was not spent on training
  if (!scored) return;
  const auto best_before = best_of(history_);
  const bool best = !best_before || scored->value < history_.scores.at(*best_before);
  nlohmann::ordered_json line{{"nimg", nimg}, {scoring_.name, scored->value}};
  if (scored->error) line[scoring_.name + "_se"] = *scored->error;
  const std::string error_text = scored->error ? c10::str(" ± ", *scored->error) : "";
  io::log_info(c10::str(scoring_.name, " ", scored->value, error_text, " after ", io::format_count(nimg),
                        " images", best ? ", the best so far" : ""));
  if (best) {
    writer_.submit([path = run_.folder.best(), model] { write(path, model); });
    writer_.wait();  // the log never tells of a best model that is not there
  }
  log(line);
  writer_.submit(report());
}

void Recorder::log(const nlohmann::ordered_json& line) {
  log_.append(line);
  if (io::EventFile* const file = events()) file->scalars(line.at("nimg"), numbers_of(line));
  add_line(history_, line);
}

void Recorder::tick(int64_t nimg) {
  const auto means = means_.take();
  require_updates(means_, config_.max_skipped, nimg, saved_nimg_);
  const double seconds = std::chrono::duration<double>(Clock::now() - tick_start_).count();
  const double rate = static_cast<double>(nimg - tick_nimg_) / seconds;
  nlohmann::ordered_json line{
      {"nimg", nimg}, {"images_per_sec", rate}, {"tflop_per_sec", 2e-12 * task_.cost.macs_per_image * rate}};
  if (ranks_.size > 1) {
    const double all = onestep::seconds_in_communication(ranks_);
    line["communication_share"] = (all - std::exchange(seconds_in_communication_, all)) / seconds;
  }
  for (const auto& [name, value] : means)
    line[name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
  status_ = brief(means);
  const Diagnosis diagnosis = task_.diagnose ? task_.diagnose() : Diagnosis{};
  line.update(diagnosis.values);
  log(line);
  if (!diagnosis.status.empty()) status_ += "  " + diagnosis.status;
  for (const std::string& warning : news_.from(diagnosis.warnings)) io::log_warning(warning);
  tick_start_ = Clock::now();
  tick_nimg_ = nimg;
}

void Recorder::snapshot(int64_t nimg) {
  if (!task_.snapshot || !io::has_image_files()) return;
  try {
    const at::Tensor sheet = task_.snapshot();
    const std::string png = io::encode_png(
        sheet, {{"onestep", nlohmann::json{{"sheet_of_nimg", nimg}}.dump()}});  // never taken for data
    io::write_file_atomically(run_.folder.samples() / (nimg_stem(nimg) + ".png"), png);
    if (io::EventFile* const file = events())
      file->image(nimg, "samples", {sheet.size(1), sheet.size(2), sheet.size(0), png});
  } catch (const std::exception& error) {
    io::log_warning(c10::str("no sample sheet after ", io::format_count(nimg), " images: ", error.what()));
  }
}

/// A model in memory of its own, with what says where it comes from.
io::TensorFile Recorder::labelled_copy(io::TensorFile model, int64_t nimg) const {
  model.tensors = copied(model.tensors);
  model.metadata.insert(run_.metadata.begin(), run_.metadata.end());
  model.metadata[kNimgKey] = std::to_string(nimg);
  model.path = run_.folder.model();
  return model;
}

/// A job that writes the model as it is now, and its other averages before it: who finds the model finds all.
std::function<void()> Recorder::write_models(int64_t nimg) const {
  NamedModels others = task_.averages ? task_.averages() : NamedModels{};
  for (auto& [name, model] : others) model = labelled_copy(std::move(model), nimg);
  return [folder = run_.folder, others = std::move(others), model = labelled_copy(task_.model(), nimg)] {
    if (!others.empty()) io::make_folders(folder.averages());
    for (const auto& [name, average] : others) write(folder.averages() / (name + ".safetensors"), average);
    write(folder.model(), model);
  };
}

/// A job that writes the report of what is known now.
std::function<void()> Recorder::report() const {
  return [folder = run_.folder, title = title_, history = history_,
          figures = task_.figures ? task_.figures() : std::vector<Figure>{}] {
    write_run_report(folder, title, figures, history);
  };
}

}  // namespace onestep
