// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>

#include "losses/finite.h"
#include "training/map_shards.h"
#include "training/step_graphs.h"
#include "training/trainee.h"

namespace onestep {

/// What a network makes of a shard, numbers [n] of its images.
struct ShardLosses {
  at::Tensor losses;
  std::vector<std::pair<std::string, at::Tensor>> others;  ///< for the log
  at::Tensor opponents = {};  ///< the loss of what learns against it, in parameters of its own; or none
};

/// Forward and backward pass of a network over a shard of a step of `size` images, on the device.
template <class M, class LossesOf>
StepStats learn_shard(const M& network, const Batch& shard, int64_t size, const LossesOf& losses_of) {
  const at::Tensor images = to_float(shard.images);
  at::Tensor finite = finite_samples(images);
  const auto [losses, others, opponents] = losses_of(network, shard, kept(images, finite));
  const at::Tensor all = opponents.defined() ? losses + opponents : losses;
  finite = finite & finite_samples(all);
  (kept(all, finite).sum() / static_cast<double>(size)).backward();
  StepStats report;
  report.add("loss", losses, finite);
  if (opponents.defined()) report.add("disc", opponents, finite);
  for (const auto& [name, values] : others) report.add(name, values, finite);
  return report;
}

/// One update of one network, which `averages` follow, by the mean loss of a step's images, in a run of
/// `total`: losses_of(module, shard, images) gives that of a shard on the device, where `images` are its
/// images with zeros for those that are not finite. Those, and losses that are not, are left out. losses_of
/// is kept by graphs: it depends on no number of the host that changes, but those that `kind` tells apart.
template <class M, class LossesOf>
StepStats learn(Trainee<M>& trainee, const Averages<M>& averages, const Workers& workers,
                StepGraphs<StepStats>& graphs, const Step& step, at::Device device, int64_t total_images,
                const LossesOf& losses_of, const std::string& kind = "") {
  trainee.sum->begin(step.mine.count);
  StepStats stats = map_shards(workers, step, [&](const Batch& batch, const ShardPlace& place) {
    const Replica<M>& network = trainee.replicas[place.worker];
    const auto work = [&network, size = step.size, losses_of](const Batch& shard) {
      return learn_shard(network.module, shard, size, losses_of);
    };
    auto told = graphs(std::to_string(step.size) + kind, to_device(batch, device), work);
    contribute(network, *trainee.sum, place.mine);
    return told;
  });
  reduce(trainee, step.ranks);
  const at::Tensor norm = update(trainee, averages, step.nimg, step.size, total_images, stats.any("loss"));
  stats.add_update("", norm, trainee.adam.skipped);
  return stats;
}

}  // namespace onestep
