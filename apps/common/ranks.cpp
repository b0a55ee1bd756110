// SPDX-License-Identifier: Apache-2.0
#include "apps/common/ranks.h"

#include <csignal>
#include <cstdlib>
#include <sys/resource.h>
#include <unistd.h>

#include <ATen/Version.h>
#include <c10/util/Logging.h>

#include "apps/common/arguments.h"
#include "apps/common/process.h"
#include "apps/common/spawn.h"
#include "apps/common/stop.h"
#include "config/node.h"
#include "io/log.h"
#include "kernels/cuda_plugin.h"

namespace onestep {
namespace {

constexpr int64_t kMostRanks = 1024, kLongestTimeout = 7 * 24 * 3600;

Ranks joined;  // of this process: what it says at its end depends on it

std::optional<std::string> variable(const std::string& name) {
  if (name == kParentVariable) return std::to_string(getppid());
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// As many as the system lets: each rank has several to each other.
void allow_many_connections() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// LibTorch looks for its CUDA half once, when it is first used. What fails is told by who opens the device.
void open_cuda_early() {
  try {
    kernels::load_cuda_plugin();
  } catch (const c10::Error&) {
  }
}

}  // namespace

void add_rank_options(CLI::App& command, RankOptions& options, const std::string& group) {
  command
      .add_option("--ranks", options.ranks,
                  "processes that share the work on this machine; under torchrun, srun, mpirun and mpiexec "
                  "their number is the launcher's")
      ->check(CLI::Range(int64_t{1}, kMostRanks))
      ->type_name("N")
      ->group(group);
  command
      .add_option("--rank-timeout", options.timeout_s,
                  "seconds after which a rank that is silent counts as lost (default 1800)")
      ->check(CLI::Range(int64_t{1}, kLongestTimeout))
      ->type_name("SECONDS")
      ->group(group);
  command
      .add_option(
          "--master", options.master,
          "where the ranks of an mpirun over several machines meet: the host of rank 0 and a free port")
      ->check(is_given())
      ->type_name("HOST:PORT")
      ->group(group);
}

Communicator join_ranks(const RankOptions& options, const std::string& device) {
  Ranks ranks = find_ranks(variable, options.master);
  if (!options.master.empty() && ranks.size == 1)
    throw config::ConfigError("--master: there are no ranks of a launcher that would meet there");
  if (options.ranks > 0 && ranks.size > 1)
    throw config::ConfigError("--ranks " + std::to_string(options.ranks) + ": " + ranks.launcher +
                              " has started " + std::to_string(ranks.size) + " ranks already; leave it out");
  if (options.ranks > 1) {
    if (const auto code = spawn_ranks(static_cast<int>(options.ranks))) throw RanksEnded{*code};
    ranks = find_ranks(variable);
  }
  if (ranks.size == 1) return {};
  joined = ranks;
  allow_many_connections();
  std::signal(SIGPIPE, SIG_IGN);  // Gloo writes to ranks that are gone
  // What c10d tells of connections is told by us, in a line. TORCH_CPP_LOG_LEVEL brings it back.
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  if (ranks.rank != 0) io::log_errors_only();
  if (device.starts_with("cuda")) open_cuda_early();
  release_stop_signals();  // who waits for others can be ended at once
  const Communicator communicator = connect(ranks, std::chrono::seconds(options.timeout_s));
  catch_stop_signals();
  return communicator;
}

Facts facts_of_process(at::Device device, const Facts& more) {
  Facts facts{{"the version of onestep", version()},
              {"the version of LibTorch", libtorch_version()},
              {"the kind of processor", device.is_cpu() ? at::get_cpu_capability() : "GPU"}};
  facts.insert(facts.end(), more.begin(), more.end());
  return facts;
}

const Ranks& ranks_joined() {
  return joined;
}

}  // namespace onestep
