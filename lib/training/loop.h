// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "config/check.h"
#include "data/loader.h"
#include "networks/module.h"
#include "training/diagnosis.h"
#include "training/figure.h"
#include "training/run_folder.h"
#include "training/stats.h"

namespace onestep {

struct RunConfig {
  std::string dir;
  int64_t seed = 0;
  int64_t images = 1'000'000;
  int64_t batch = 32;
  int64_t micro_batch = 0;
  bool flip = false;
  int64_t tick_images = 1'000;
  int64_t checkpoint_images = 20'000;
  int64_t snapshot_images = 20'000;
  int64_t keep_checkpoints = 2;
  int64_t model_images = 0;
  std::string device = "cpu";
  int64_t threads = 0;
  int64_t max_skipped = 20;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("dir", c.dir, "the run's folder; a run that exists there is resumed", config::non_empty);
    visit("seed", c.seed, "seed of every random draw", config::non_negative);
    visit("images", c.images, "the budget: training images to be seen", config::at_least(1));
    visit("batch", c.batch, "images a step", config::at_least(1));
    visit("micro_batch", c.micro_batch, "images a pass: what fits in memory; 0 is the whole batch",
          config::non_negative);
    visit("flip", c.flip, "mirror half of the images left to right");
    visit("tick_images", c.tick_images, "images between lines of the log", config::at_least(1));
    visit("checkpoint_images", c.checkpoint_images, "images between checkpoints", config::at_least(1));
    visit("snapshot_images", c.snapshot_images, "images between sample sheets", config::at_least(1));
    visit("keep_checkpoints", c.keep_checkpoints, "how many of the newest checkpoints are kept",
          config::at_least(1));
    visit("model_images", c.model_images,
          "images between models that are kept in the folder models; 0 keeps the newest only",
          config::non_negative);
    visit("device", c.device, "cpu, cuda or cuda:N", config::non_empty);
    visit("threads", c.threads, "CPU threads; 0 is OMP_NUM_THREADS or all cores", config::between(0, 4096));
    visit("max_skipped", c.max_skipped,
          "updates left out in a row, for a gradient that is not finite, at which the run ends",
          config::at_least(1));
  }
};

/// What a task needs of a machine, for people who plan a run.
struct TaskCost {
  std::vector<std::pair<std::string, int64_t>> parameters;  ///< of each network
  double macs_per_image = 0;  ///< multiply-accumulates of all passes, backward ones too
  double bytes = 0;           ///< weights, gradients, optimiser state, averages and activations, about
};

/// All that the loop knows of a task, and what is to be said of it beforehand.
struct Task {
  std::function<StepStats(const Batch&)> step;                   ///< one update of everything
  NamedTensors state;                                            ///< every number needed to go on, shared
  std::function<void(const std::filesystem::path&)> save_model;  ///< what sample and evaluate take
  std::function<at::Tensor()> snapshot;                          ///< uint8 sheet [C,H,W], or empty function
  std::function<std::vector<Figure>()> figures;  ///< for the run's report.html, or empty function
  std::function<Diagnosis()> diagnose;           ///< asked at every tick, or empty function
  std::function<void(const Dataset&)> finish = [](const Dataset&) {};  ///< once, after the last step
  TaskCost cost;
};

/// How good a model is; lower is better.
struct ModelScore {
  double value = 0;
  std::optional<double> error;  ///< standard error, where one is known
};

/// Looks at the model at fixed counts of images. The loop knows neither what is measured nor how.
struct Scoring {
  std::string name;          ///< in the log: "fid"
  int64_t every_images = 0;  ///< 0: never
  /// Of a model file; no value when it was stopped on its way.
  std::function<std::optional<ModelScore>(const std::filesystem::path& model)> score;
};

enum class RunEnd { finished, interrupted };

/// Trains from the newest valid checkpoint of the folder, or from the task's state, to `config.images`. The
/// batch at image nimg and every draw for it are functions of (seed, nimg), so that a stopped and resumed run
/// equals an unbroken one bit for bit. `stop` is asked after every step; a stop writes a checkpoint first.
/// `scoring` is asked every so many images and at the end; the best model so far is kept as best.safetensors.
/// Throws NumericalError at the tick that finds `max_skipped` updates left out in a row, io::FileError
/// when something can't be written, or there are checkpoints and none can be used (then before anything is
/// changed). A log that is damaged costs its unreadable lines and a warning: nothing is trained by it.
RunEnd run_training(const RunConfig& config, const std::string& title, const RunFolder& folder,
                    const Dataset& data, Task& task, const std::function<bool()>& stop,
                    const Scoring& scoring = {});

/// The images of one pass.
inline int64_t pass_size(const RunConfig& run) {
  return run.micro_batch == 0 ? run.batch : std::min(run.micro_batch, run.batch);
}

/// Consecutive parts of at most `micro_batch` images (0: the whole batch).
std::vector<Batch> split(const Batch& batch, int64_t micro_batch);

}  // namespace onestep
