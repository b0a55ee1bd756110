// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include "config/check.h"
#include "networks/precision.h"

namespace onestep {

struct RunConfig {
  std::string dir;
  int64_t seed = 0;
  int64_t images = 1'000'000;
  int64_t batch = 32;
  int64_t micro_batch = 0;
  bool flip = false;
  int64_t tick_images = 0;
  int64_t checkpoint_images = 0;
  int64_t snapshot_images = 0;
  int64_t keep_checkpoints = 2;
  int64_t model_images = 0;
  bool tensorboard = false;
  std::string device = "cpu";
  std::string precision = "float32";
  bool graph = false;
  bool autotune = false;
  int64_t workers = 0;
  int64_t threads = 1;
  int64_t max_skipped = 20;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    using config::Role;
    visit("dir", c.dir, "the run's folder; a run that exists there is resumed", config::path, Role::place);
    visit("seed", c.seed, "seed of every random draw", config::non_negative);
    visit("images", c.images,
          "the budget: training images to be seen; may grow where no learning rate falls with it",
          config::at_least(1), Role::budget);
    visit("batch", c.batch, "images a step", config::at_least(1));
    visit(
        "micro_batch", c.micro_batch,
        "the shard: images a pass, which one worker computes; the bits depend on it. 0: half a batch and 32 "
        "at most on a CPU, a whole batch on a GPU",
        config::non_negative);
    visit("flip", c.flip, "mirror half of the images left to right");
    visit("tick_images", c.tick_images,
          "images between lines of the log; 0 is a 500th of the run, 1000 at least", config::non_negative,
          Role::free);
    visit("checkpoint_images", c.checkpoint_images,
          "images between checkpoints; 0 is a 50th of the run, 20000 at least", config::non_negative,
          Role::free);
    visit("snapshot_images", c.snapshot_images,
          "images between sample sheets; 0 is a 50th of the run, 20000 at least", config::non_negative,
          Role::free);
    visit("keep_checkpoints", c.keep_checkpoints, "how many of the newest checkpoints are kept",
          config::at_least(1), Role::free);
    visit("model_images", c.model_images,
          "images between models that are kept in the folder models; 0 keeps the newest only",
          config::non_negative, Role::free);
    visit("tensorboard", c.tensorboard,
          "also write the log's numbers, the sheets and the configuration as TensorBoard event files",
          config::any, Role::free);
    visit("device", c.device, "cpu, cuda or cuda:N", config::non_empty, Role::free);
    visit("precision", c.precision,
          "what networks compute in; weights, optimiser, averages and losses are float32 always. auto: "
          "bfloat16 "
          "where the device is quick with it, else float32; a run keeps what it began with",
          config::one_of(precision_names()));
    visit(
        "graph", c.graph,
        "on CUDA, launch the work of a shard as one graph once its kind has been met three times: for small "
        "networks, which wait for launches. Changes no bit, and means nothing on a CPU",
        config::any, Role::free);
    visit(
        "autotune", c.autotune,
        "on CUDA, let cuDNN time its convolutions at the start and take the quickest. A resumed run then may "
        "differ from an unbroken one in its last bits; means nothing on a CPU",
        config::any, Role::free);
    visit("workers", c.workers,
          "threads that share a step's shards on a CPU; 0 is as many as OMP_NUM_THREADS or the cores allow, "
          "each with run.threads; the bits do not depend on it",
          config::between(0, 1024), Role::free);
    visit(
        "threads", c.threads,
        "intra-op threads of each worker: more than 1 for networks too large to hold an activation for each "
        "worker",
        config::between(1, 1024), Role::free);
    visit("max_skipped", c.max_skipped,
          "updates left out in a row, for a gradient that is not finite, at which the run ends",
          config::at_least(1), Role::free);
  }
};

/// An interval of images: what the configuration says, or for 0 a share of the run, `least` at least.
inline int64_t interval(int64_t configured, int64_t images, int64_t times, int64_t least) {
  return configured > 0 ? configured : std::max(images / times, least);
}
inline int64_t tick_interval(const RunConfig& c) {
  return interval(c.tick_images, c.images, 500, 1'000);
}
inline int64_t checkpoint_interval(const RunConfig& c) {
  return interval(c.checkpoint_images, c.images, 50, 20'000);
}
inline int64_t snapshot_interval(const RunConfig& c) {
  return interval(c.snapshot_images, c.images, 50, 20'000);
}

/// The images of a shard: a function of the configuration, never of the machine.
inline int64_t shard_size(const RunConfig& run) {
  constexpr int64_t kLargest = 32;  // a larger one is no faster on a core, and leaves the others less to do
  if (run.micro_batch > 0) return std::min(run.micro_batch, run.batch);
  return run.device == "cpu" ? std::min((run.batch + 1) / 2, kLargest) : run.batch;
}

/// What networks of the run compute in. Throws c10::Error where it is `auto` still.
inline at::ScalarType network_type(const RunConfig& run) {
  return network_type(run.precision);
}

/// How many of `workers` can be at work on the shards of a step.
inline int64_t busy_workers(const RunConfig& run, int64_t workers) {
  return std::min(workers, (run.batch + shard_size(run) - 1) / shard_size(run));
}

}  // namespace onestep
