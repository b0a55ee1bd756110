// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "training/recorder.h"
#include "training/run.h"
#include "training/run_config.h"
#include "training/task.h"

namespace onestep {

enum class RunEnd { finished, interrupted, already_finished };

/// Trains from the newest valid checkpoint of the folder, or from the task's state, to `config.images`. The
/// batch at image nimg and every draw for it are functions of (seed, nimg), so that a stopped and resumed run
/// equals an unbroken one bit for bit. `stop` is asked after every step; a stop writes a checkpoint first.
/// `scoring` is asked every so many images and at the end, after the checkpoint; the best model so far is
/// kept as best.safetensors. A score or a picture that fails costs a warning. A run that was killed between
/// its checkpoint and its model gets the model first.
///
/// Throws NumericalError at the tick that finds `max_skipped` updates left out in a row (the last checkpoint
/// stays valid), io::FileError when something can't be written, or there are checkpoints and none can be
/// used, config::ConfigError when the run has seen more images than it is now to see, was ended within a
/// batch, or left its model alone (all of these before anything is changed). A log that is damaged costs its
/// unreadable lines and a warning: nothing is trained by it.
///
/// Of several ranks each calls it with the same task and the same data; folder, log and terminal are rank 0's
/// alone, whose `run` is not null, and the others go on from what it read. Every bit is that of one rank. All
/// stop at the same step when any is asked to. Throws RankLost when one is gone, and NumericalError where the
/// numbers of ranks are found to differ (at the start and at checkpoints).
RunEnd run_training(const RunConfig& config, const std::string& title, const Run* run, const Dataset& data,
                    Task& task, const std::function<bool()>& stop, const Scoring& scoring = {},
                    const Communicator& ranks = {});

}  // namespace onestep
