// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "kernels/cuda_plugin.h"

/// What the programs that measure have in common.
namespace onestep::bench {

/// Wall clock, seconds.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

using kernels::allow_tf32;

/// Waits for all work that the device was given.
inline void wait_for(at::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

/// Wall-clock seconds of work that begins and ends with an idle device.
template <class Work>
double seconds(at::Device device, Work&& work) {
  wait_for(device);
  const double start = now();
  work();
  wait_for(device);
  return now() - start;
}

/// CPU seconds of this process, all of its threads: on a machine that others use, too, these say more.
inline double cpu_now() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Of an even number the mean of the two in the middle, as Python's: the sides of a comparison take the same.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Both clocks' seconds of a piece of work, once for each call.
struct Timed {
  std::vector<double> wall, cpu;

  template <class Work>
  void operator()(at::Device device, Work&& work) {
    const double start = cpu_now();
    wall.push_back(seconds(device, work));
    cpu.push_back(cpu_now() - start);
  }
};

/// What scripts/bench.sh reads of a measurement, first in its line of JSON: seconds by both clocks, medians,
/// of so many items.
template <class Json>
Json figures(const std::string& what, double items, const Timed& timed) {
  return {{"what", what}, {"items", items}, {"wall_sec", median(timed.wall)}, {"cpu_sec", median(timed.cpu)}};
}

/// Whether an error is one after which CUDA answers every further call of this process with the same.
inline bool is_lost(const std::string& error) {
  return error.find("CUDA error") != std::string::npos && error.find("out of memory") == std::string::npos;
}

/// What a program that goes through a list says when it stops before number `next` for that.
inline std::string go_on(size_t next) {
  return "the device is lost to this process; --from " + std::to_string(next) + " goes on";
}

/// The most memory that tensors took on the device since the process began, MiB; none on a CPU.
inline std::optional<double> peak_mib(at::Device device) {
  if (device.is_cpu()) return std::nullopt;
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return static_cast<double>(stats.allocated_bytes[0].peak) / 1048576;
}

}  // namespace onestep::bench
