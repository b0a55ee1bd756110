// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace onestep::kernels {

/// What in `work` makes the host wait for a CUDA device, as LibTorch sees it: reading a number, copies from
/// memory that is not pinned, a blocking copy. A training step should not. A line for each wait: the
/// operations of LibTorch that it happened in, innermost first; "?" in a backward pass, which runs in a
/// thread of its own. Throws as load_cuda_plugin does.
std::vector<std::string> cuda_syncs(const std::function<void()>& work);

}  // namespace onestep::kernels
