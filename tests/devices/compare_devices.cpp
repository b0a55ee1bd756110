// SPDX-License-Identifier: Apache-2.0
// compare_devices [--device cuda] [--json] [--from N]: every part of the library on the CPU and on another
// device, side by side: the largest relative difference of its float32 numbers, and whether that is within
// its tolerance. With --device cpu the CPU's float64 numbers stand on the other side.
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "bench.h"
#include "devices/device_case.h"
#include "io/numerical_error.h"

using namespace onestep;

namespace {

struct Options {
  std::string device = "cuda";
  bool json = false;
  size_t from = 0;
};

struct Compared {
  double difference = std::numeric_limits<double>::infinity();
  double seconds = 0;
  std::string error;
  bool holds(double tolerance) const { return error.empty() && difference <= tolerance; }
};

Compared compare(const test::DeviceCase& work, at::Device device) {
  Compared compared;
  try {
    const bool against_itself = device.is_cpu();
    const at::ScalarType other = against_itself && work.any_dtype ? at::kDouble : at::kFloat;
    const test::Outputs expected = work.run(at::kCPU, other);
    compared.seconds = bench::seconds(device, [&] {
      compared.difference = test::largest_difference(work.run(device, at::kFloat), expected);
    });
    if (!std::isfinite(compared.difference)) compared.error = "another shape, or numbers that are not finite";
  } catch (const c10::Error& error) {
    compared.error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    compared.error = error.what();
  }
  return compared;
}

void run(const Options& options) {
  const at::Device device = open_device(options.device);
  const std::vector<test::DeviceCase> cases = test::device_cases();
  size_t failed = 0;
  for (size_t i = options.from; i < cases.size(); ++i) {
    const test::DeviceCase& work = cases[i];
    // Where a program dies, this is its last word.
    if (options.json) std::fprintf(stderr, "%s, %s\n", work.part.c_str(), work.name.c_str());
    const Compared compared = compare(work, device);
    const bool holds = compared.holds(work.tolerance);
    failed += !holds;
    if (options.json) {
      nlohmann::ordered_json line{
          {"part", work.part}, {"name", work.name}, {"tolerance", work.tolerance}, {"holds", holds}};
      if (compared.error.empty())
        line["difference"] = compared.difference;
      else
        line["error"] = compared.error;
      std::printf("%s\n", line.dump().c_str());
    } else {
      std::printf("%-10s %-40s %9.2e of %7.0e  %s %s\n", work.part.c_str(), work.name.c_str(),
                  compared.difference, work.tolerance, holds ? "" : "FAILED", compared.error.c_str());
    }
    std::fflush(stdout);
    if (bench::is_lost(compared.error)) throw std::runtime_error(bench::go_on(i + 1));
  }
  if (failed > 0) throw NumericalError(std::to_string(failed) + " differ by too much");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Every part of the library on the CPU and on another device, side by side.",
               "compare_devices");
  Options options;
  app.add_option("--device", options.device, "cuda, cuda:N, or cpu")->capture_default_str();
  app.add_flag("--json", options.json, "print a line of JSON for each");
  app.add_option("--from", options.from, "leave out so many of the first ones");
  return run_app(app, argc, argv, [&] { run(options); });
}
