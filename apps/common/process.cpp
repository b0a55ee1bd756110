// SPDX-License-Identifier: Apache-2.0
#include "apps/common/process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <malloc.h>
#include <sched.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/headeronly/version.h>

#include "apps/common/arguments.h"
#include "apps/common/matrix_products.h"
#include "config/node.h"
#include "kernels/cuda_plugin.h"

namespace onestep {

void prepare_process() {
  std::signal(SIGXFSZ, SIG_IGN);
  fix_matrix_products();
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  at::globalContext().setFlushDenormal(true);
}

int64_t use_threads(int64_t threads) {
  const char* const wish = std::getenv("OMP_NUM_THREADS");
  if (threads == 0 && wish != nullptr) threads = std::clamp<int64_t>(std::atoi(wish), 0, kMostThreads);
  if (threads == 0) {
    cpu_set_t cores;
    threads = sched_getaffinity(0, sizeof cores, &cores) == 0 ? std::max(CPU_COUNT(&cores), 1) : 1;
  }
  at::set_num_threads(static_cast<int>(threads));
  return threads;
}

at::Device open_device(const std::string& name) {
  const auto refuse = [&](const std::string& why) {
    throw config::ConfigError("device '" + name + "': " + why);
  };
  if (name == "cpu") return at::kCPU;
  const std::string index = name.starts_with("cuda:") ? name.substr(5) : name == "cuda" ? "0" : "";
  if (index.empty() || index.size() > 2 || index.find_first_not_of("0123456789") != std::string::npos) {
    refuse("expected cpu, cuda or cuda:N");
  }
  try {
    kernels::load_cuda_plugin();
  } catch (const c10::Error& error) {
    throw config::ConfigError(error.what_without_backtrace());
  }
  const int devices = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  if (std::stoi(index) >= devices) refuse("there are " + std::to_string(devices) + " GPUs");
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(std::stoi(index)));
}

std::string version() {
  return ONESTEP_VERSION;
}
std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace onestep
