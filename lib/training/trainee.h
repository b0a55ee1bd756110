// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>

#include "training/adam.h"
#include "training/ema.h"

namespace onestep {

/// A network in training: its module, whose parameters are views of `flat`, and its optimiser.
template <class M>
struct Trainee {
  M module;
  FlatParameters flat;
  Adam adam;
};

template <class M>
Trainee<M> make_trainee(M module, const AdamConfig& config, int64_t rows = 1) {
  Trainee<M> trainee{.module = std::move(module)};
  trainee.flat = flatten(trainee.module);
  trainee.adam = make_adam(config, trainee.flat, rows);
  return trainee;
}

/// One optimiser step at the images [nimg, nimg + batch) of a run of `total`; returns the gradient's norm.
/// `any`, `met`: as adam_step takes them.
template <class M>
at::Tensor update(Trainee<M>& trainee, int64_t nimg, int64_t batch, int64_t total, const at::Tensor& any = {},
                  const std::vector<int64_t>& met = {0}) {
  return adam_step(trainee.adam, trainee.flat,
                   learning_rate(trainee.adam.config.learning_rate, nimg, batch, total), any, met);
}

template <class M>
void append_state(NamedTensors& state, const std::string& prefix, const Trainee<M>& trainee) {
  append_state(state, prefix, trainee.adam, trainee.flat);
}

/// The exponential moving average of a network in training, itself a network.
template <class M>
struct Average {
  M module;
  at::Tensor values;  ///< [P], of which the module's parameters are views
};

template <class M>
Average<M> make_average(const M& module) {
  Average<M> average{.module = clone(module)};
  average.values = flatten(average.module, /*trained=*/false).values;
  return average;
}

/// Bytes that a network in training holds beside activations: value, gradient and two moments, float32.
inline double training_bytes(int64_t parameters) {
  return 16.0 * static_cast<double>(parameters);
}

/// A backward pass costs about two forward ones.
inline constexpr double kTrainingPasses = 3;

}  // namespace onestep
