// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/cuda_graph.h"

/// Puts the maker of a device's graphs into `out` and returns nullptr, or what went wrong. In the CUDA
/// plugin.
extern "C" const char* onestep_open_cuda_graphs(int device, onestep::kernels::GraphMaker* out) noexcept;
