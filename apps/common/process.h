// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <c10/core/Device.h>

#include "parallel/workers.h"

namespace onestep {

/// Settings of the whole process, made before the first parallel region:
/// - a write beyond what `ulimit -f` allows fails as on a full disk, and does not kill the process (SIGXFSZ);
/// - freed blocks are kept and reused (mallopt), since mapping and clearing a network's activations anew in
///   every step costs 5 to 20 % of it;
/// - subnormal floats count as zero, in this thread and those it starts: they slow arithmetic down, and hold
///   nothing that matters here;
/// - matrix products do not depend on where their operands lie (matrix_products.h).
void prepare_process();

/// The number of CPU threads of this one; 0 is machine_cores(). Returns the number. Results of float
/// reductions depend on it. Throws io::TooLittleMemory when so many can't be started.
int64_t use_threads(int64_t threads);

/// So many workers with `threads` intra-op threads each, beside the calling thread, which has one: what a
/// training takes. 0 workers: as many as there are cores for. None where the device is no CPU.
/// Throws io::TooLittleMemory when so many can't be started.
Workers use_workers(int64_t workers, int64_t threads, at::Device device);

/// The cores that this process may use, or what OMP_NUM_THREADS says; of ranks that --ranks started, its
/// share of them. `machine_cores` are all, for work that one rank does while the others wait.
int64_t cores();
int64_t machine_cores();

/// How many ranks --ranks has started here; 1 without it.
int64_t ranks_here();

/// The variable that tells how many ranks share the cores.
inline constexpr const char* kRanksHereVariable = "ONESTEP_RANKS_HERE";

/// The device of that name, "cpu", "cuda" or "cuda:N", whether there is one or not; "cuda" is the GPU of this
/// rank of its machine. Throws config::ConfigError for another name.
at::Device device_named(const std::string& name, int local_rank = 0);

/// The same, ready for use. Throws config::ConfigError, too, saying why when there is no such GPU.
at::Device open_device(const std::string& name, int local_rank = 0);

/// What networks are to compute in on an open device (networks/precision.h), with `auto` resolved and said.
/// The whole process computes so from then on. Throws config::ConfigError, naming `key`, where the device
/// can't.
std::string use_precision(const std::string& key, const std::string& precision, at::Device device);

/// "0.1.0", and that of LibTorch.
std::string version();
std::string libtorch_version();

}  // namespace onestep
