// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/denoiser.h"
#include "training/loop.h"

namespace onestep {

/// What every task is built from beside its own configuration.
struct TaskContext {
  const RunConfig& run;
  at::Device device;
  const Dataset& data;                            ///< the training set
  std::map<std::string, std::string> provenance;  ///< goes into the metadata of every model file
};

/// Throws config::ConfigError when a network for `network` images and `labels` classes can't be trained on
/// the context's images. labels = 0 takes any set.
void require_fit(const TaskContext& context, const std::string& what, const ImageShape& network,
                 int64_t labels);

/// A file that a task is made from. Throws io::FileError.
Source source_file(const std::string& what, const std::string& path);

/// Labels as the network wants them: the batch's one-hot rows, or undefined for an unconditional network.
at::Tensor labels_for(const Denoiser& denoiser, const at::Tensor& one_hot);

}  // namespace onestep
