// SPDX-License-Identifier: Apache-2.0
#include "apps/common/process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <latch>
#include <limits>
#include <malloc.h>
#include <sched.h>
#include <system_error>
#include <thread>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/headeronly/version.h>

#include "apps/common/arguments.h"
#include "apps/common/matrix_products.h"
#include "config/node.h"
#include "io/log.h"
#include "io/memory.h"
#include "kernels/cuda_plugin.h"
#include "networks/precision.h"

namespace onestep {

void prepare_process() {
  std::signal(SIGXFSZ, SIG_IGN);
  fix_matrix_products();
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_MXFAST, 0);  // bins that every large request would merge anew
  at::globalContext().setFlushDenormal(true);
}

namespace {

/// Starts so many threads at once and ends them. OpenMP answers a thread that it can't have by ending the
/// process in the midst of things, so that it must not be the first to ask.
void require_threads(int64_t threads) {
  std::latch all_tried(1);
  std::vector<std::jthread> started;
  std::string refused;
  try {
    while (static_cast<int64_t>(started.size()) + 1 < threads)  // this one is there already
      started.emplace_back([&] { all_tried.wait(); });
  } catch (const std::system_error&) {
    refused =
        std::to_string(threads) + " threads: only " + std::to_string(started.size() + 1) +
        " can be started; lower run.workers, run.threads or --threads, or raise what ulimit -v and -u allow";
  }
  all_tried.count_down();
  started.clear();
  if (!refused.empty()) throw io::TooLittleMemory(refused);
}

/// What OMP_NUM_THREADS asks for; 0 where it says nothing.
int64_t wished_threads() {
  const char* const wish = std::getenv("OMP_NUM_THREADS");
  return wish == nullptr ? 0 : std::clamp<int64_t>(std::atoi(wish), 0, kMostThreads);
}

}  // namespace

int64_t machine_cores() {
  if (const int64_t wish = wished_threads(); wish > 0) return wish;
  cpu_set_t cores;
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? std::max(CPU_COUNT(&cores), 1) : 1;
}

int64_t ranks_here() {
  const char* const ranks = std::getenv(kRanksHereVariable);
  return ranks != nullptr ? std::max(std::atoi(ranks), 1) : 1;
}

int64_t cores() {
  if (const int64_t wish = wished_threads(); wish > 0) return wish;  // what a rank is to have
  return std::max<int64_t>(machine_cores() / ranks_here(), 1);
}

int64_t use_threads(int64_t threads) {
  if (threads == 0) threads = machine_cores();
  require_threads(threads);
  at::set_num_threads(static_cast<int>(threads));
  at::parallel_for(0, threads, 1, [](int64_t, int64_t) {});  // OpenMP takes its threads now, and keeps them
  return threads;
}

Workers use_workers(int64_t workers, int64_t threads, at::Device device) {
  if (!device.is_cpu()) {
    use_threads(workers);  // of the host's own work
    return {};
  }
  if (workers == 0) workers = std::max<int64_t>(cores() / threads, 1);
  require_threads(workers * threads + 1);
  use_threads(1);  // a second team would make OpenMP's threads give up their cores between operations
  return Workers(workers, threads);
}

at::Device device_named(const std::string& name, int local_rank) {
  if (name == "cpu") return at::kCPU;
  const std::string index = name.starts_with("cuda:") ? name.substr(5) : name == "cuda" ? "0" : "";
  if (index.empty() || index.size() > 2 || index.find_first_not_of("0123456789") != std::string::npos)
    throw config::ConfigError("device '" + name + "': expected cpu, cuda or cuda:N");
  return {at::kCUDA, static_cast<at::DeviceIndex>(name == "cuda" ? local_rank : std::stoi(index))};
}

at::Device open_device(const std::string& name, int local_rank) {
  const at::Device device = device_named(name, local_rank);
  if (device.is_cpu()) return device;
  try {
    kernels::load_cuda_plugin();
  } catch (const c10::Error& error) {
    throw config::ConfigError(error.what_without_backtrace());
  }
  const int devices = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  if (device.index() >= devices) {
    throw config::ConfigError(
        "device '" + name + "': there are " + std::to_string(devices) + " GPUs" +
        (name == "cuda" ? ", and this is rank " + std::to_string(local_rank) + " of its machine" : ""));
  }
  return device;
}

std::string use_precision(const std::string& key, const std::string& precision, at::Device device) {
  const std::string chosen = resolved_precision(precision, device);
  if (const std::string problem = precision_problem(chosen, device); !problem.empty())
    throw config::ConfigError(key + ": " + problem);
  if (const std::string warning = precision_warning(chosen, device); !warning.empty())
    io::log_warning(key + ": " + warning);
  if (precision != chosen) io::log_info(key + ": " + chosen + ", which this device is quickest with");
  if (device.is_cuda()) kernels::allow_tf32(chosen == "tf32");
  return chosen;
}

std::string version() {
  return ONESTEP_VERSION;
}
std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace onestep
