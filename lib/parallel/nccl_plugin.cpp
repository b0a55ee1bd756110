// SPDX-License-Identifier: Apache-2.0
// A part of the CUDA plugin: NCCL comes with LibTorch's CUDA half.
#include "parallel/nccl_plugin.h"

#include <string>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

const char* onestep_open_nccl(const c10::intrusive_ptr<c10d::Store>* store, int rank, int size, int device,
                              int64_t patience_s, c10::intrusive_ptr<c10d::Backend>* out) noexcept {
  thread_local std::string problem;
  try {
    auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
    options->timeout = std::chrono::seconds(patience_s);
    auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(*store, rank, size, options);
    group->setBoundDeviceId(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device)));
    *out = group;
    return nullptr;
  } catch (const std::exception& error) {
    problem = error.what();
    return problem.c_str();
  }
}
