// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace onestep::io {

/// Bytes that this process can still take: what the machine has available without swapping (MemAvailable),
/// and not more than the limit on its address space leaves (ulimit -v).
uint64_t free_memory();

}  // namespace onestep::io
