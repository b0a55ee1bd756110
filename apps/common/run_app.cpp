// SPDX-License-Identifier: Apache-2.0
#include "apps/common/run_app.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <system_error>

#include <c10/util/Exception.h>

#include "apps/common/exit_code.h"
#include "apps/common/process.h"
#include "apps/common/ranks.h"
#include "apps/common/stop.h"
#include "apps/common/torn_file.h"
#include "config/node.h"
#include "config/printable.h"
#include "io/file_error.h"
#include "io/memory.h"
#include "io/numerical_error.h"
#include "parallel/together.h"

namespace onestep {
namespace {

int report(const CLI::App& app, const std::string& message, int code) {
  const std::string line = config::printable(message);
  const int rank = ranks_joined().rank;
  const std::string mark = rank == 0 ? "" : "[rank " + std::to_string(rank) + "] ";
  std::fprintf(stderr, "%s%s: %s\n", mark.c_str(), app.get_name().c_str(),
               line.empty() ? "unknown error" : line.c_str());
  return code;
}

/// Words by which LibTorch's allocators, the system and its threads tell that memory is short: only some of
/// them throw a type of its own.
bool is_out_of_memory(const std::string& message) {
  for (const char* const said :
       {"DefaultCPUAllocator", "out of memory", "Out of Memory", "Cannot allocate memory",
        "Storage size calculation overflowed", "Resource temporarily unavailable"})
    if (message.find(said) != std::string::npos) return true;
  return false;
}

/// "out of memory: 12 GiB were wanted, 3.1 GiB are free; …". How much, as far as `said` tells.
std::string out_of_memory(const std::string& said) {
  const std::string cure =
      "; lower the batch (run.batch, run.micro_batch, --batch) or the threads, or take a smaller network";
  // "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of …"
  if (said.find("CUDA") != std::string::npos) return said.substr(0, said.find(". GPU")) + cure;
  const std::string free = io::memory_text(static_cast<double>(io::available_memory())) + " are free";
  const std::string before = "tried to allocate ";  // "you tried to allocate 4096 bytes."
  const size_t at = said.find(before);
  if (at == std::string::npos) return "out of memory: " + free + cure;
  const double wanted = std::strtod(said.c_str() + at + before.size(), nullptr);
  return "out of memory: " + io::memory_text(wanted) + " were wanted, " + free + cure;
}

/// c10 appends where an error was thrown, on lines of their own.
std::string first_line(const std::string& message) {
  return message.substr(0, message.find('\n'));
}

int report_other(const CLI::App& app, const std::string& message) {
  return is_out_of_memory(message) ? report(app, out_of_memory(message), kUsage)
                                   : report(app, first_line(message), kOther);
}

/// Another rank tells why.
int code_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::usage:
      return kUsage;
    case FailureKind::file:
      return kFile;
    case FailureKind::numerical:
      return kNumerical;
    case FailureKind::interrupted:  // all ranks throw Interrupted themselves
    case FailureKind::other:
      break;
  }
  return kOther;
}

/// All ranks stop; a signal may have come to one of them alone.
int report_stop(const CLI::App& app, const std::string& message) {
  const int code = kSignal + (stop_signal() != 0 ? stop_signal() : SIGTERM);
  return ranks_joined().rank == 0 ? report(app, message, code) : code;
}

/// 0, or the error of results that did not reach standard output: a full disk, a closed descriptor.
int finish_output(const CLI::App& app) {
  errno = 0;
  const bool lost = !std::cout.flush() || std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (!lost) return kDone;
  const std::string why = errno == 0 ? "" : ": " + std::generic_category().message(errno);
  return report(app, "standard output: cannot be written" + why, kFile);
}

int end_of(CLI::App& app, int argc, char** argv, const std::function<void()>& body) {
  try {
    app.set_version_flag("--version", version());
    app.parse(argc, argv);
    prepare_process();
    catch_stop_signals();
    catch_torn_files();
    body();
    return finish_output(app);
  } catch (const CLI::Success& success) {
    app.exit(success);
    return finish_output(app);
  } catch (const CLI::ParseError& error) {
    return report(app, error.what(), kUsage);
  } catch (const config::ConfigError& error) {
    return report(app, error.what(), kUsage);
  } catch (const io::FileError& error) {
    // A file that can't be mapped or read for want of memory is not at fault.
    return report(app, error.what(), is_out_of_memory(error.what()) ? kUsage : kFile);
  } catch (const std::filesystem::filesystem_error& error) {
    const std::string why = error.code().message();
    return report(app, error.path1().empty() ? why : error.path1().string() + ": " + why, kFile);
  } catch (const NumericalError& error) {
    return report(app, error.what(), kNumerical);
  } catch (const BelowStandard& error) {
    return report(app, error.what(), kBelowStandard);
  } catch (const Interrupted& error) {
    return report_stop(app, error.what());
  } catch (const RankFailed& error) {
    return code_of(error.kind());
  } catch (const RankLost& error) {
    return ranks_joined().launcher == kOwnLauncher ? kRankLost : report(app, error.what(), kRankLost);
  } catch (const RanksEnded& ended) {
    return ended.code;
  } catch (const io::TooLittleMemory& error) {
    return report(app, error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return report(app, out_of_memory(""), kUsage);
  } catch (const c10::OutOfMemoryError& error) {
    return report(app, out_of_memory(error.what_without_backtrace()), kUsage);
  } catch (const c10::Error& error) {
    return report_other(app, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return report_other(app, error.what());
  }
}

}  // namespace

int run_app(CLI::App& app, int argc, char** argv, const std::function<void()>& body) {
  const int code = end_of(app, argc, argv, body);
  if (code == kDone || ranks_joined().size == 1) return code;
  // Connections to ranks that wait, or are gone, are not taken down: that could last.
  std::fflush(nullptr);
  std::_Exit(code);
}

}  // namespace onestep
