// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>

namespace onestep::kernels {

/// How often `work` makes the host wait for a CUDA device, as LibTorch sees it: reading a number, copies from
/// memory that is not pinned, a blocking copy. A training step should not. Throws as load_cuda_plugin does.
int64_t count_cuda_syncs(const std::function<void()>& work);

}  // namespace onestep::kernels
