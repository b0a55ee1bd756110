// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include <c10/core/Device.h>

namespace onestep::kernels {

using Work = std::function<void()>;

/// How a device records work once and launches it as a whole from then on (CUDA graphs): every number of the
/// host and every address stays what it was in the recording, and nothing that the work does on the host is
/// done again. Two functions; empty ones stand for a device that has no graphs.
struct GraphMaker {
  /// Runs work as a recording would, on the same stream: what libraries make at a first use is made then.
  std::function<void(const Work&)> rehearse;
  /// Records work, of which nothing is computed yet; what it returns computes it, on the current stream.
  /// Tensors that the work makes and that are kept hold the results of the last time, of this graph or
  /// another one of this maker: they are to be read before the next. Throws c10::Error where work can't be
  /// recorded, as when it waits for the device or copies from memory that is not pinned; the device goes on
  /// as before.
  std::function<Work(const Work&)> capture;

  explicit operator bool() const { return capture != nullptr; }
};

/// Those of a CUDA device, which share one pool of memory; their code is in the plugin (cuda_plugin.h).
/// Throws as load_cuda_plugin does.
GraphMaker cuda_graphs(at::Device device);

}  // namespace onestep::kernels
