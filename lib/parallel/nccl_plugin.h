// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

/// Puts a group into `out` and returns nullptr, or what went wrong. In the CUDA plugin.
extern "C" const char* onestep_open_nccl(const c10::intrusive_ptr<c10d::Store>* store, int rank, int size,
                                         int device, int64_t patience_s,
                                         c10::intrusive_ptr<c10d::Backend>* out) noexcept;
