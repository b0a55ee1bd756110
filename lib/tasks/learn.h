// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>

#include "losses/finite.h"
#include "training/map_shards.h"
#include "training/trainee.h"

namespace onestep {

/// What a network makes of a shard: the loss of each image, [n], and other numbers of each for the log.
struct ShardLosses {
  at::Tensor losses;
  std::vector<std::pair<std::string, at::Tensor>> others;
};

/// One update of one network, which `averages` follow, by the mean loss of a step's images, in a run of
/// `total`: losses_of(module, shard, images) gives that of a shard on the device, where `images` are its
/// images with zeros for those that are not finite. Those, and losses that are not, are left out.
template <class M, class LossesOf>
StepStats learn(Trainee<M>& trainee, const Averages<M>& averages, const Workers& workers, const Step& step,
                at::Device device, int64_t total_images, const LossesOf& losses_of) {
  trainee.sum->begin(step.mine.count);
  StepStats stats = map_shards(workers, step, [&](const Batch& batch, const ShardPlace& place) {
    const Replica<M>& network = trainee.replicas[place.worker];
    const Batch shard = to_device(batch, device);
    at::Tensor finite = finite_samples(shard.images);
    const auto [losses, others] = losses_of(network.module, shard, kept(shard.images, finite));
    finite = finite & finite_samples(losses);
    (kept(losses, finite).sum() / static_cast<double>(step.size)).backward();
    contribute(network, *trainee.sum, place.mine);
    StepStats report;
    report.add("loss", losses, finite);
    for (const auto& [name, values] : others) report.add(name, values, finite);
    return report;
  });
  reduce(trainee, step.ranks);
  const at::Tensor norm = update(trainee, averages, step.nimg, step.size, total_images, stats.any("loss"));
  stats.add_update("", norm, trainee.adam.skipped);
  return stats;
}

}  // namespace onestep
