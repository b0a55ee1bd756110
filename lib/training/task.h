// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "io/safetensors.h"
#include "networks/module.h"
#include "training/diagnosis.h"
#include "training/figure.h"
#include "training/run.h"
#include "training/stats.h"
#include "training/step.h"

namespace onestep {

/// What a task needs of a machine, for people who plan a run.
struct TaskCost {
  std::vector<std::pair<std::string, int64_t>> parameters;  ///< of each network
  double macs_per_image = 0;  ///< multiply-accumulates of all passes, backward ones too
  double bytes = 0;           ///< weights, gradients, optimiser state, averages and activations, about
};

using NamedModels = std::vector<std::pair<std::string, io::TensorFile>>;

/// All that the loop knows of a task, and what is to be said of it beforehand.
struct Task {
  /// Makes what the steps need beside the state and keeps it in the run's folder, in pieces that survive;
  /// asks `stop` now and then, and returns false where it said so. Empty function: nothing is needed.
  std::function<bool(const std::function<bool()>& stop)> prepare;
  std::function<StepStats(const Step&)> step;    ///< one update of everything
  at::Device device = at::kCPU;                  ///< where it computes
  NamedTensors state;                            ///< every number needed to go on, shared
  std::function<void()> restored = [] {};        ///< to be called when `state` was filled from elsewhere
  std::function<io::TensorFile()> model;         ///< what sample and evaluate take, sharing storage
  std::function<NamedModels()> averages;         ///< its other moving averages, or empty function
  std::function<at::Tensor()> snapshot;          ///< uint8 sheet [C,H,W], or empty function
  std::function<std::vector<Figure>()> figures;  ///< for the run's report.html, or empty function
  std::function<Diagnosis()> diagnose;           ///< asked at every tick, or empty function
  std::function<void(const Dataset&)> finish = [](const Dataset&) {};  ///< once, after the last step
  TaskCost cost;
};

}  // namespace onestep
