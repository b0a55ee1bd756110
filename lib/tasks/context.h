// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/cuda_graph.h"
#include "networks/codec.h"
#include "networks/denoiser.h"
#include "parallel/communicator.h"
#include "parallel/workers.h"
#include "training/loop.h"

namespace onestep {

/// What every task is built from beside its own configuration.
struct TaskContext {
  const RunConfig& run;
  at::Device device;    ///< at::kMeta makes a task that costs nothing and can't step: its `cost` is known
  const Dataset& data;  ///< the training set
  std::map<std::string, std::string> provenance;  ///< goes into the metadata of every model file
  Workers workers = {};                           ///< that share the shards of a step
  Communicator ranks = {};                        ///< that share them, too, and work that comes before
  kernels::GraphMaker graphs = {};                ///< of the shards' work, for a single worker; or nothing
  Codec codec = {};  ///< between pictures and the data's images, where those are latents
};

/// The shape of the data's images, and whether the codec makes pictures of them.
ImageShape data_shape(const TaskContext& context);
bool has_pictures(const TaskContext& context);

/// Where a task's networks are drawn: on the CPU, and then sent to the context's device; on at::kMeta, for
/// plans, they are shapes alone and nothing is drawn.
inline at::Device drawn_on(const TaskContext& context) {
  return context.device.is_meta() ? context.device : at::Device(at::kCPU);
}

/// Throws config::ConfigError when a network for `network` images and `labels` classes can't be trained on
/// the context's images. labels = 0 takes any set.
void require_fit(const TaskContext& context, const std::string& what, const ImageShape& network,
                 int64_t labels);

/// A file that a task is made from. Throws io::FileError.
Source source_file(const std::string& what, const std::string& path);

/// A batch's condition as the network wants it: undefined for an unconditional one.
Condition condition_for(const Denoiser& denoiser, const Condition& condition);

}  // namespace onestep
