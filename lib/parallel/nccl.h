// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace onestep {

/// The ranks' connections between GPUs, by NCCL; its code is in the CUDA plugin (kernels/cuda_plugin.h),
/// which must be loaded. Throws c10::Error.
c10::intrusive_ptr<c10d::Backend> open_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            at::Device device, std::chrono::seconds patience);

}  // namespace onestep
