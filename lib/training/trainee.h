// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include <ATen/ops/full.h>

#include "networks/network.h"
#include "parallel/canonical_sum.h"
#include "parallel/communicator.h"
#include "training/adam.h"
#include "training/ema.h"
#include "training/run_config.h"
#include "training/task.h"

namespace onestep {

/// A network as a worker trains it: the parameters are everybody's, the gradients its own.
template <class M>
struct Replica {
  M module;
  at::Tensor gradients;  ///< [P], of the shard that it computes
};

/// A network in training: its module, whose parameters are views of `flat`, a replica for each worker, and
/// its optimiser.
template <class M>
struct Trainee {
  M module;
  FlatParameters flat;
  at::Tensor shadow;  ///< [P]: flat.values rounded to what replicas compute in; undefined: they have those
  Adam adam;
  std::vector<Replica<M>> replicas;                            ///< the first gathers into flat.gradients
  std::unique_ptr<TreeSum> sum = std::make_unique<TreeSum>();  ///< of a step's shards
};

/// How a network is trained beside its optimiser's configuration.
struct TraineeOptions {
  int64_t rows = 1;                  ///< of its optimiser (training/adam.h)
  int64_t workers = 1;               ///< that have a replica each
  at::ScalarType type = at::kFloat;  ///< what replicas compute in, where it is narrower than the weights
};

/// Gradients are float32 in any case: what a replica's backward passes find is added to them as it comes.
template <class M>
Trainee<M> make_trainee(M module, const AdamConfig& config, const TraineeOptions& options = {}) {
  Trainee<M> trainee{.module = std::move(module)};
  trainee.flat = flatten(trainee.module);
  trainee.adam = make_adam(config, trainee.flat, options.rows);
  if (options.type == at::kBFloat16) trainee.shadow = trainee.flat.values.to(options.type);
  const at::Tensor& computed = trainee.shadow.defined() ? trainee.shadow : trainee.flat.values;
  for (int64_t worker = 0; worker < options.workers; ++worker) {
    Replica<M> replica{trainee.module,
                       worker == 0 ? trainee.flat.gradients : at::zeros_like(trainee.flat.values)};
    attach(replica.module, {computed, replica.gradients});
    trainee.replicas.push_back(std::move(replica));
  }
  return trainee;
}

/// To be called when flat.values were filled from elsewhere.
template <class M>
void refresh(const Trainee<M>& trainee) {
  if (trainee.shadow.defined()) at::Tensor(trainee.shadow).copy_(trainee.flat.values);
}

/// Takes the gradients that a replica gathered for term `number` of `sum`, and leaves zeros.
template <class M>
void contribute(const Replica<M>& replica, TreeSum& sum, int64_t number) {
  sum.add(number, replica.gradients);
  at::Tensor(replica.gradients).zero_();
}

/// Moves them elsewhere, [P].
template <class M>
void move_gradients(const Replica<M>& replica, const at::Tensor& to) {
  to.copy_(replica.gradients);
  at::Tensor(replica.gradients).zero_();
}

/// The sum of a step's shards, those of all ranks; valid until the next begin().
inline at::Tensor total(TreeSum& sum, const Communicator& ranks) {
  const at::Tensor all = sum.take();
  all_reduce(ranks, all);
  return all;
}

/// Puts it where the optimiser takes it.
template <class M>
void reduce(Trainee<M>& trainee, const Communicator& ranks) {
  trainee.flat.gradients.copy_(total(*trainee.sum, ranks));
}

template <class M>
void append_state(NamedTensors& state, const std::string& prefix, const Trainee<M>& trainee) {
  append_state(state, prefix, trainee.adam, trainee.flat);
}

/// An exponential moving average of a network in training, itself a network.
template <class M>
struct Average {
  EmaConfig config;
  M module;
  at::Tensor values;  ///< [P], of which the module's parameters are views
};

/// All that are kept; the first is the run's model.
template <class M>
using Averages = std::vector<Average<M>>;

template <class M>
Averages<M> make_averages(const EmaConfigs& configs, const M& module) {
  Averages<M> averages;
  for (const EmaConfig& config : configs.all) {
    averages.push_back({.config = config, .module = clone(module)});
    averages.back().values = flatten(averages.back().module, /*trained=*/false).values;
  }
  return averages;
}

/// One optimiser step at the images [nimg, nimg + batch) of a run of `total` by the gradients in flat, which
/// the averages follow; returns their norm. `any`, `met`: as AdamStep has them.
template <class M>
at::Tensor update(Trainee<M>& trainee, const Averages<M>& averages, int64_t nimg, int64_t batch,
                  int64_t total, const at::Tensor& any = {}, const std::vector<int64_t>& met = {0}) {
  AdamStep step{.learning_rate = learning_rate(trainee.adam.config.learning_rate, nimg, batch, total),
                .any = any,
                .met = met,
                .shadow = trainee.shadow};
  const auto scalar = trainee.flat.values.options().dtype(at::kDouble);
  for (const Average<M>& average : averages)
    step.averages.push_back(
        {average.values, at::full({}, 1 - ema_decay(average.config, nimg + batch, batch), scalar)});
  return adam_step(trainee.adam, trainee.flat, step);
}

/// The first as NAME, the others as NAME.power_0.05 and the like.
template <class M>
void append_state(NamedTensors& state, const std::string& name, const Averages<M>& averages) {
  for (size_t i = 0; i < averages.size(); ++i)
    state.emplace_back(i == 0 ? name : name + "." + name_of(averages[i].config), averages[i].values);
}

/// Files of all averages but the first, by name.
template <class M, class File>
NamedModels models_of(const Averages<M>& averages, const File& file) {
  NamedModels models;
  for (size_t i = 1; i < averages.size(); ++i)
    models.emplace_back(name_of(averages[i].config), file(averages[i]));
  return models;
}

/// Bytes that a network in training holds beside activations: value, gradient, two moments and a sum over
/// shards, float32; for each worker but the first gradients of its own, and as many in sums that wait; and
/// the values once more where replicas compute in another type.
inline double training_bytes(int64_t parameters, int64_t workers, at::ScalarType type) {
  const double shadow = type == at::kFloat ? 0 : static_cast<double>(c10::elementSize(type));
  return (20.0 + shadow + 8.0 * static_cast<double>(workers - 1)) * static_cast<double>(parameters);
}

/// And those of a pass of each worker over a shard.
inline double activation_bytes(const PassCost& pass, const RunConfig& run, int64_t workers) {
  return static_cast<double>(c10::elementSize(network_type(run))) *
         static_cast<double>(pass.activations * shard_size(run) * workers);
}

/// A backward pass costs about two forward ones.
inline constexpr double kTrainingPasses = 3;

/// What it costs to train one network by `pass` over each image, with that many moving averages of it.
inline TaskCost training_cost(const std::string& name, int64_t parameters, const PassCost& pass,
                              const RunConfig& run, int64_t workers, size_t averages = 0) {
  return {.parameters = {{name, parameters}},
          .macs_per_image = kTrainingPasses * static_cast<double>(pass.macs),
          .bytes = training_bytes(parameters, workers, network_type(run)) +
                   4.0 * static_cast<double>(parameters * averages) + activation_bytes(pass, run, workers)};
}

}  // namespace onestep
